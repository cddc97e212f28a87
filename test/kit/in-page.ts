/** The little of a page that functions use which run in the browser; the rest of this program has no types of a page. They take it from `globalThis`. */

export type InPage = {
  readonly document: {
    readonly activeElement: PageElement | null;
    readonly documentElement: PageElement;
    readonly body: PageElement;
    readonly cookie: string;
    querySelector(selector: string): PageElement | null;
    querySelectorAll(selector: string): ArrayLike<PageElement>;
    getAnimations(): readonly { readonly playState: string }[];
  };
  readonly innerWidth: number;
  readonly innerHeight: number;
  requestAnimationFrame(task: () => void): void;
  getComputedStyle(element: PageElement): Readonly<Record<string, string>>;
};

export type PageElement = {
  readonly outerHTML: string;
  readonly textContent: string | null;
  readonly scrollWidth: number;
  scrollTop: number;
  contains(other: PageElement | null): boolean;
  getBoundingClientRect(): {
    readonly top: number;
    readonly left: number;
    readonly bottom: number;
    readonly width: number;
    readonly height: number;
  };
  blur(): void;
};
