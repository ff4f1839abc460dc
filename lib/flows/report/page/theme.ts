import { byId } from './dom';

const THEMES = ['auto', 'light', 'dark'] as const;
const STORED = 'microcosm-theme';

/** As the system has it, or as chosen here; remembered where the browser lets a file remember. */
export function themeToggle(): void {
  const button = byId<HTMLButtonElement>('theme');
  let theme = THEMES.find((name) => name === remembered()) ?? 'auto';
  const apply = (): void => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.hidden = false;
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'auto';
    apply();
    try {
      localStorage.setItem(STORED, theme);
    } catch {
      // A sandboxed page has no storage; the choice lasts as long as the page.
    }
  });
  apply();
}

function remembered(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
