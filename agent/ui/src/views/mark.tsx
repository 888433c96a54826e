export function Mark() {
  return <img class="mark" src="favicon.svg" alt="" width="28" height="28" />;
}
