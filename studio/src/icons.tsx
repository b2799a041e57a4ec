/** Symbols, 16 by 16, drawn with the colour of the text. They say nothing: the button does. */

import type { ComponentChildren, JSX } from "preact";

function icon(children: ComponentChildren): () => JSX.Element {
  return () => (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const SunIcon = icon(
  <>
    <circle cx="8" cy="8" r="3" />
    <path d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1" />
  </>,
);
export const MoonIcon = icon(<path d="M13.5 9.5A6 6 0 0 1 6.5 2.5 6 6 0 1 0 13.5 9.5Z" />);
export const AutoIcon = icon(
  <>
    <circle cx="8" cy="8" r="6" />
    <path d="M8 2a6 6 0 0 1 0 12Z" fill="currentColor" stroke="none" />
  </>,
);
export const KeyboardIcon = icon(
  <>
    <rect x="1.5" y="4" width="13" height="8.5" rx="1.5" />
    <path d="M4.5 7h0M7 7h0M9.5 7h0M11.8 7h0M5.5 9.8h5" />
  </>,
);
export const CloseIcon = icon(<path d="m4 4 8 8M12 4l-8 8" />);
export const LinkIcon = icon(
  <path d="M6.5 9.5 9.5 6.5M7 4.5l1.2-1.2a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5l-1.2 1.2a3 3 0 0 1-4.5-4.5L4.5 7" />,
);
export const PictureIcon = icon(
  <>
    <rect x="2" y="2.5" width="12" height="11" rx="1.5" />
    <circle cx="5.5" cy="6" r="1.2" />
    <path d="m2.5 12 3.5-3.5 2.5 2.5 2-2 3 3" />
  </>,
);
export const FilmIcon = icon(
  <>
    <rect x="2" y="3" width="12" height="10" rx="1.5" />
    <path d="M5 3v10M11 3v10M2 8h3M11 8h3" />
  </>,
);
export const PlayIcon = icon(<path d="M4.5 2.8v10.4L13 8Z" fill="currentColor" />);
export const RefreshIcon = icon(<path d="M13 3v3.5H9.5M13 6.5A5.5 5.5 0 1 0 13.2 10" />);
export const CropIcon = icon(<path d="M4.5 1.5v10h10M1.5 4.5h10v10" />);
export const CheckIcon = icon(<path d="m3 8.5 3.5 3.5L13 4.5" />);
export const WarningIcon = icon(<path d="M8 2 1.5 13.5h13ZM8 6.5v3M8 11.5v.01" />);
export const StopIcon = icon(<rect x="3.5" y="3.5" width="9" height="9" rx="1" />);
export const ChevronIcon = icon(<path d="m4 6 4 4 4-4" />);
export const KeyIcon = icon(
  <>
    <circle cx="5" cy="11" r="3" />
    <path d="m7.2 8.8 6.3-6.3M11 5l2 2" />
  </>,
);
export const UploadIcon = icon(<path d="M8 11V2.5M4.5 6 8 2.5 11.5 6M2.5 11v2.5h11V11" />);
export const UndoIcon = icon(<path d="M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6" />);
export const RedoIcon = icon(<path d="m10.5 3 3 3-3 3M13.5 6h-7a4 4 0 0 0 0 8H10" />);
export const PauseIcon = icon(<path d="M5 3v10M11 3v10" stroke-width="2.5" />);
export const BackIcon = icon(<path d="m10 3-5 5 5 5" />);
export const ForwardIcon = icon(<path d="m6 3 5 5-5 5" />);
export const DiamondIcon = icon(<path d="m8 2 6 6-6 6-6-6Z" />);
export const EyeIcon = icon(
  <>
    <path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8Z" />
    <circle cx="8" cy="8" r="2" />
  </>,
);
export const EyeOffIcon = icon(
  <path d="m2 2 12 12M6 4a6 6 0 0 1 2-.5c4 0 6.5 4.5 6.5 4.5a11 11 0 0 1-1.8 2.4M10.5 11.9A6 6 0 0 1 8 12.5C4 12.5 1.5 8 1.5 8a11 11 0 0 1 2.5-3" />,
);
export const TrashIcon = icon(<path d="M2.5 4h11M6 4V2.5h4V4M4 4l.7 9.5h6.6L12 4M6.700 6.5v4.5M9.300 6.5v4.5" />);
export const PlusIcon = icon(<path d="M8 3v10M3 8h10" />);
export const PreviousFrameIcon = icon(<path d="M4 3v10M12.5 3.5 7 8l5.5 4.5Z" />);
export const NextFrameIcon = icon(<path d="M12 3v10M3.5 3.5 9 8l-5.5 4.5Z" />);
export const LoopIcon = icon(
  <path d="M3 9V7a3 3 0 0 1 3-3h7M10.5 1.5 13 4l-2.5 2.5M13 7v2a3 3 0 0 1-3 3H3M5.5 14.5 3 12l2.5-2.5" />,
);
export const SoundIcon = icon(
  <path d="M2 6v4h2.5L8 13V3L4.5 6ZM10.5 5.5a3.5 3.5 0 0 1 0 5M12.5 3.5a6.4 6.4 0 0 1 0 9" />,
);
export const SoundOffIcon = icon(<path d="M2 6v4h2.5L8 13V3L4.5 6ZM11 6l4 4M15 6l-4 4" />);
export const FullScreenIcon = icon(<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" />);
export const SwapIcon = icon(<path d="M2 5.5h11M10 2.5l3 3-3 3M14 10.5H3M6 7.5l-3 3 3 3" />);
export const DownloadIcon = icon(<path d="M8 2.5V11M4.5 7.5 8 11l3.5-3.5M2.5 13.5h11" />);
export const PencilIcon = icon(<path d="M10.5 3 13 5.5 5.5 13H3v-2.5ZM9 4.5 11.5 7" />);
