import { project } from "../deck";
import { commands, classCap, dialog, setSingleKeys, singleKeys } from "../keys";
import { currentKind } from "../kinds";
import { Modal } from "./modal";

const close = () => {
  dialog.value = null;
};

export function Guideline() {
  const shown = project.value;
  if (dialog.value !== "guideline" || shown === null) return null;
  return (
    <Modal title={`Guideline: ${shown.title}`} onClose={close}>
      <p class="prose">{shown.instructions || "The project has no written instructions."}</p>
      <h3>Classes</h3>
      <dl class="classes-explained">
        {shown.classes.map(({ name, description }, index) => (
          <div key={name}>
            <dt>
              {classCap(index) !== null && <kbd>{classCap(index)}</kbd>} {name}
            </dt>
            <dd>{description || "No description."}</dd>
          </div>
        ))}
      </dl>
      <p class="note after">Version {shown.version} of the taxonomy.</p>
    </Modal>
  );
}

export function Help() {
  if (dialog.value !== "help") return null;
  const listed = commands().filter(({ title }) => title !== "");
  return (
    <Modal title="All keys" onClose={close}>
      <table class="keys">
        <tbody>
          <tr>
            <td>
              <kbd>1</kbd>–<kbd>9</kbd>, <kbd>0</kbd>
            </td>
            <td>{currentKind().digits}</td>
          </tr>
          {listed.map(({ caps, title }) => (
            <tr key={caps.join() + title}>
              <td>
                <Caps caps={caps} />
              </td>
              <td>{title}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="switch">
        <input
          type="checkbox"
          checked={singleKeys.value}
          onChange={(event) => setSingleKeys(event.currentTarget.checked)}
        />{" "}
        Single keys act at once. Switch off for speech input; every button stays.
      </label>
    </Modal>
  );
}

export function Caps({ caps }: { caps: string[] }) {
  return (
    <>
      {caps.map((cap, index) => (
        <>
          {index > 0 && " + "}
          <kbd>{cap}</kbd>
        </>
      ))}
    </>
  );
}
