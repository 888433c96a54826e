import { dismiss, notices } from "../say";
import { flush, link, ofOthers, unconfirmed } from "../unconfirmed";

/** Everything that is not as it should be, where it is seen but not in the way. */
export function Banners() {
  return (
    <div class="banners">
      <div role="status">
        {link.value === "lost" && (
          <p class="banner warn">
            <span>
              <strong>The agent does not answer.</strong> {waitingInWords(unconfirmed.value.length)}
            </span>
            <button type="button" class="quiet" onClick={flush}>
              Try now
            </button>
          </p>
        )}
        {ofOthers.value > 0 && (
          <p class="banner">
            Somebody else’s unsaved decisions ({ofOthers.value}) wait in this browser until they sign in
            here.
          </p>
        )}
      </div>
      <div role="alert">
        {notices.value.map(({ id, text, hint }) => (
          <p class="banner bad" key={id}>
            <span>
              <strong>{text}</strong> {hint}
            </span>
            <button type="button" class="quiet" onClick={() => dismiss(id)}>
              Dismiss
            </button>
          </p>
        ))}
      </div>
    </div>
  );
}

function waitingInWords(waiting: number): string {
  if (waiting === 0) return "Nothing is unsaved.";
  return `${waiting === 1 ? "One decision waits" : `${waiting} decisions wait`} on this machine and will be sent.`;
}
