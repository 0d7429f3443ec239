"use strict";
(async () => {
  // Vega measures text once, so the page's own characters must be there before the first chart is drawn.
  await Promise.allSettled([...document.fonts].map((face) => face.load()));
  const shared = JSON.parse(document.getElementById("chart-settings").textContent);
  for (const holder of document.querySelectorAll("[data-chart]")) {
    const spec = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
    vegaEmbed(holder, spec, {
      actions: false,
      ast: true,
      renderer: "svg",
      mode: "vega-lite",
      config: shared.config,
      formatLocale: shared.formatLocale,
      timeFormatLocale: shared.timeFormatLocale,
      tooltip: { disableDefaultStyle: true },
      defaultStyle: false,
      logLevel: 1,
    }).catch((error) => {
      holder.textContent = String(error);
      const table = holder.closest("figure").querySelector("details");
      if (table) table.open = true;
    });
  }
})();
