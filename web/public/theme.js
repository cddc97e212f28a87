// Before the first paint: the scheme that the person chose, so that a dark page never flashes white.
// A file of its own because the content security policy forbids inline scripts.
(function () {
  var chosen = null;
  try {
    chosen = window.localStorage.getItem('tessera-color-scheme');
  } catch {
    // Storage may be forbidden; the system's preference stands.
  }
  var dark = chosen === 'dark' || (chosen !== 'light' && window.matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
