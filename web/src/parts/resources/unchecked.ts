/** What a page holds for a draft until the first check of a new text has its answer: not known to have problems. Apart from the editor, which is large and loaded late. */
export const UNCHECKED = '';
