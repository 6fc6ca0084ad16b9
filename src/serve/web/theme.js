// Before anything is drawn: the look and language that were chosen (a plain script, so that the page does not flash).
(() => {
  let settings = {};
  try {
    settings = JSON.parse(localStorage.getItem('deepseek.settings')) || {};
  } catch { /* no storage, or not ours */ }
  if (settings.theme === 'light' || settings.theme === 'dark') document.documentElement.dataset.theme = settings.theme;
  document.documentElement.lang = settings.language === 'zh' || (settings.language !== 'en' && /^zh/i.test(navigator.language)) ? 'zh-CN' : 'en';
})();
