// The look in dark or light: as the system has it until somebody chooses, then as chosen.

const KEY = "acklog-theme";
const DARK = window.matchMedia("(prefers-color-scheme: dark)");

// Colours that were asked for, until the look changes.
const colors = new Map();

// Makes `button` switch between dark and light. `changed()` is called when the colours are others.
export function themeSwitch(button, changed) {
  const root = document.documentElement;
  const draw = () => {
    button.textContent = isDark() ? "light" : "dark";
    button.setAttribute("aria-label", `${button.textContent} colours`);
    colors.clear();
    changed();
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    draw();
  });
  DARK.addEventListener("change", draw);
  const chosen = remembered();
  if (chosen) root.dataset.theme = chosen;
  draw();
}

// Whether the page is dark now.
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : DARK.matches;
}

// Returns the value of a colour such as "--node-1" of the style sheet, for a canvas.
export function tokenColor(name) {
  let color = colors.get(name);
  if (color === undefined) {
    const probe = document.createElement("span");
    probe.style.setProperty("color", `var(${name})`);
    document.body.append(probe);
    color = getComputedStyle(probe).color;
    probe.remove();
    colors.set(name, color);
  }
  return color;
}

// Returns what was chosen, or null. A browser that stores nothing has no choice to remember.
function remembered() {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === "dark" || theme === "light" ? theme : null;
  } catch {
    return null;
  }
}

// Remembers a choice. Where the browser stores nothing, it lasts as long as the page.
function remember(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is switched off or full: there is nothing to do about it here.
  }
}
