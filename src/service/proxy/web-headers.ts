/**
 * On every answer of the web end. The UI is one page whose scripts, pictures and calls come from here alone; `style-src` has 'unsafe-inline' because its components set styles
 * in attributes, which run nothing. What a page may not do (frames, plugins, sensors) is off, but for passkeys.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'Strict-Transport-Security': 'max-age=31536000',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Permissions-Policy': permissionsPolicy(),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  // The default; what may be kept says so itself.
  'Cache-Control': 'no-store',
};

/** Features have no common name for "all": those that Chromium has are listed (it complains of others). */
function permissionsPolicy(): string {
  const off = [
    'accelerometer',
    'autoplay',
    'browsing-topics',
    'camera',
    'display-capture',
    'encrypted-media',
    'fullscreen',
    'gamepad',
    'geolocation',
    'gyroscope',
    'hid',
    'idle-detection',
    'local-fonts',
    'magnetometer',
    'microphone',
    'midi',
    'payment',
    'picture-in-picture',
    'screen-wake-lock',
    'serial',
    'storage-access',
    'usb',
    'xr-spatial-tracking',
  ];
  const own = ['publickey-credentials-get', 'publickey-credentials-create'];
  return [...off.map((name) => `${name}=()`), ...own.map((name) => `${name}=(self)`)].join(', ');
}
