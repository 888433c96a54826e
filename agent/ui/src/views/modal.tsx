import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  title: string;
  /** Null when the dialog cannot be closed without an answer. */
  onClose: (() => void) | null;
  children: ComponentChildren;
}

/** A modal dialog: the browser keeps the focus inside it. It is given back to what had it before. */
export function Modal({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      // The browser would do it, were the dialog still in the page.
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      {/* Takes the focus unless the content does: a long list is read from its beginning. */}
      <h2 id={heading} tabIndex={-1} autoFocus>
        {title}
      </h2>
      {children}
      {onClose !== null && (
        <p class="buttons">
          <button type="button" class="primary" onClick={onClose}>
            Close
          </button>
        </p>
      )}
    </dialog>
  );
}
