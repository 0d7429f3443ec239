"use strict";
(() => {
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
    }).catch((error) => {
      holder.textContent = String(error);
      const table = holder.closest("figure").querySelector("details");
      if (table) table.open = true;
    });
  }
})();
