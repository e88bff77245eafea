"""The FIM layout: `<prefix marker> P <suffix marker> S <middle marker> T | canvas`, read by one set of weights."""
