import { parseDomFromString } from '@node-saml/node-saml/lib/xml.js';
import { fault } from './fault.ts';
import type { SamlLimits } from './limits.ts';
import { scanXml } from './xml-scan.ts';

/**
 * XML of a stranger as a small tree that cannot be changed. The tree is read from the same parser (`@xmldom/xmldom`, by way of node-saml) that the signature check uses, so
 * that both see the same document; what that parser would forgive is refused before (xml-scan.ts).
 */

export type XmlElement = {
  /** Without prefix. */
  readonly name: string;
  /** Namespace URI; empty: none. */
  readonly namespace: string;
  /** Those without a prefix, by name. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** What stands directly in it, all pieces together. */
  readonly text: string;
};

/** A document with, for each element, the parser's own node: the signature check wants that. */
export type XmlDocument = {
  /** As the parser got it: line ends are `\n`, no XML declaration. */
  readonly text: string;
  readonly root: XmlElement;
  readonly nodeOf: (element: XmlElement) => object;
};

export const SAML_ASSERTION = 'urn:oasis:names:tc:SAML:2.0:assertion';
export const SAML_PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
export const SAML_METADATA = 'urn:oasis:names:tc:SAML:2.0:metadata';
export const XML_SIGNATURE = 'http://www.w3.org/2000/09/xmldsig#';
export const XML_ENCRYPTION = 'http://www.w3.org/2001/04/xmlenc#';

/** UTF-8 only. Throws LoginError `SAML_XML_ENCODING`. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fault('SAML_XML_ENCODING', 'expected XML in UTF-8, got other bytes', cause);
  }
}

/** Throws LoginError `SAML_XML_*`: not well-formed, or something that no honest provider sends. `comments`: whether they may be there; then they are skipped. */
export async function readXml(
  source: string,
  limits: Pick<SamlLimits, 'maxDepth' | 'maxNodes'>,
  options: { readonly comments: boolean } = { comments: false },
): Promise<XmlDocument> {
  const text = scanXml(source, limits, options);
  let dom: DomNode;
  try {
    dom = (await parseDomFromString(text)) as unknown as DomNode;
  } catch (cause) {
    throw fault('SAML_XML_MALFORMED', 'the XML cannot be parsed', cause);
  }
  const nodes = new WeakMap<XmlElement, object>();
  const top = dom.documentElement;
  if (top === undefined || top === null) throw fault('SAML_XML_MALFORMED', 'the XML has no element');
  const root = elementOf(top, nodes);
  return {
    text,
    root,
    nodeOf: (element) => {
      const node = nodes.get(element);
      if (node === undefined) throw fault('SAML_XML_MALFORMED', 'the element is of another document');
      return node;
    },
  };
}

/** The children of this name. */
export function childrenOf(element: XmlElement, namespace: string, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name && child.namespace === namespace);
}

/** Every element of the tree, the root first. */
export function* everyElement(root: XmlElement): Generator<XmlElement> {
  yield root;
  for (const child of root.children) yield* everyElement(child);
}

export function isElement(element: XmlElement, namespace: string, name: string): boolean {
  return element.name === name && element.namespace === namespace;
}

/** The text of an element that holds nothing else; undefined when it holds elements. */
export function leafText(element: XmlElement): string | undefined {
  return element.children.length === 0 ? element.text : undefined;
}

/** Depth is bounded by the scan, so recursion is too. */
function elementOf(node: DomNode, nodes: WeakMap<XmlElement, object>): XmlElement {
  if (node.nodeName.includes(':') && !node.namespaceURI)
    throw fault('SAML_XML_NAMESPACE', 'an element has a prefix without a namespace');
  const children: XmlElement[] = [];
  let text = '';
  for (let child = node.firstChild; child; child = child.nextSibling) {
    if (child.nodeType === ELEMENT) children.push(elementOf(child, nodes));
    else if (child.nodeType === TEXT) text += child.nodeValue ?? '';
    else if (child.nodeType !== COMMENT)
      throw fault('SAML_XML_MALFORMED', 'the XML holds something that is no element and no text');
  }
  const element: XmlElement = {
    name: node.localName ?? node.nodeName,
    namespace: node.namespaceURI ?? '',
    attributes: attributesOf(node),
    children,
    text,
  };
  nodes.set(element, node);
  return element;
}

function attributesOf(node: DomNode): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  for (let index = 0; index < (node.attributes?.length ?? 0); index += 1) {
    const attribute = node.attributes?.item(index);
    if (attribute && !attribute.nodeName.includes(':') && attribute.nodeName !== 'xmlns')
      attributes.set(attribute.nodeName, attribute.nodeValue ?? '');
  }
  return attributes;
}

/** As much of the DOM as is used; the program is compiled without the browser's types. */
type DomNode = {
  readonly nodeType: number;
  readonly nodeName: string;
  readonly localName?: string | null;
  readonly namespaceURI?: string | null;
  readonly nodeValue?: string | null;
  readonly firstChild?: DomNode | null;
  readonly nextSibling?: DomNode | null;
  readonly documentElement?: DomNode | null;
  readonly attributes?: { readonly length: number; item(index: number): DomNode | null } | null;
};

const ELEMENT = 1;
const TEXT = 3;
const COMMENT = 8;
