/** A cache that forgets what was used longest ago, and what is too old. */

export interface CacheOptions {
  maxSize: number;
  maxAge: number;
  onEvict?: (key: string) => void;
}

interface Entry<T> {
  value: T;
  storedAt: number;
}

export class Cache<T> {
  private readonly entries = new Map<string, Entry<T>>();
  private hits = 0;
  private misses = 0;

  constructor(private readonly options: CacheOptions) {
    if (options.maxSize <= 0) {
      throw new Error("maxSize must be positive");
    }
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) {
      this.misses += 1;
      return undefined;
    }
    if (Date.now() - entry.storedAt > this.options.maxAge) {
      this.delete(key);
      this.misses += 1;
      return undefined;
    }
    this.hits += 1;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: T): void {
    this.entries.delete(key);
    this.entries.set(key, { value, storedAt: Date.now() });
    while (this.entries.size > this.options.maxSize) {
      const oldest = this.entries.keys().next().value;
      if (oldest === undefined) {
        break;
      }
      this.delete(oldest);
    }
  }

  delete(key: string): boolean {
    const existed = this.entries.delete(key);
    if (existed) {
      this.options.onEvict?.(key);
    }
    return existed;
  }

  clear(): void {
    for (const key of [...this.entries.keys()]) {
      this.delete(key);
    }
    this.hits = 0;
    this.misses = 0;
  }

  hitRate(): number {
    const total = this.hits + this.misses;
    return total === 0 ? 0 : this.hits / total;
  }
}
