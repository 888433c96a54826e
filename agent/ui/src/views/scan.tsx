// An image with boxes and polygons over it. The picture is part of the drawing, so that both zoom as one.

import { useMemo, useRef } from "preact/hooks";
import { colourOf } from "../colours";
import type { Corner, Field, Label, Region } from "../contract";
import { project } from "../deck";
import { gestures } from "../gestures";
import { marksOf } from "../label";
import { boundsOf, cornersOf, partsOf } from "../kinds/geometry";
import { crosshair, drawing, press, seen, size, sizeOf, view } from "../kinds/regions";
import * as work from "../work";
import { nameOf } from "../words";
import { WithAsset } from "./asset";
import { reachPx, useWidth } from "./width";

const HANDLE_PX = 5;
const NAME_PX = 13;

/** The image of the card on the table, with the label that is worked on. */
export function WorkScan({ field }: { field: Field }) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const { x, y } = seen.value;
  const perPixel = (x.to - x.from) / width;
  const scale = useRef(perPixel);
  scale.current = perPixel;
  const hand = useMemo(
    () =>
      gestures({
        press: (at, on) => press(at, on, scale.current),
        view: (factor, around, by) => view(factor, around, by, scale.current),
      }),
    [],
  );
  const selected = work.selectedMark.value;
  const { width: across, height: down } = size.value;
  return (
    <div
      ref={frame}
      class="scan"
      role="application"
      aria-label={`${field.title}: ${work.marks.value.length} regions`}
      tabIndex={0}
      data-surface
      style={frameStyle(across, down)}
      {...hand}
    >
      <WithAsset field={field}>
        {(asset) => (
          <svg viewBox={`${x.from} ${y.from} ${x.to - x.from} ${y.to - y.from}`} aria-hidden="true">
            {asset.at === "image" && (
              <image href={asset.url} width={across} height={down} preserveAspectRatio="none" />
            )}
            {work.marks.value.map((mark, index) => (
              <Shape
                key={index}
                region={mark as Region}
                index={index}
                look={work.lookOf(mark, index)}
                perPixel={perPixel}
              />
            ))}
            {selected !== null && <Handles region={selected as Region} perPixel={perPixel} />}
            {drawing.value !== null && <Drawing corners={drawing.value} perPixel={perPixel} />}
          </svg>
        )}
      </WithAsset>
    </div>
  );
}

/** What somebody marked on the same image. `differs`: which marks nobody else has. */
export function StillScan({ field, label, differs }: { field: Field; label: Label | null; differs: boolean[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const { width, height } = sizeOf(field.value);
  const perPixel = width / useWidth(frame);
  return (
    <div ref={frame} class="scan still" style={frameStyle(width, height)}>
      <WithAsset field={field}>
        {(asset) => (
          <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={field.title}>
            {asset.at === "image" && (
              <image href={asset.url} width={width} height={height} preserveAspectRatio="none" />
            )}
            {marksOf(label).map((mark, index) => (
              <Shape
                key={index}
                region={mark as Region}
                index={index}
                look={differs[index] ? "differs" : "shared"}
                perPixel={perPixel}
              />
            ))}
          </svg>
        )}
      </WithAsset>
    </div>
  );
}

/** As wide as there is room, and no higher than the window. */
function frameStyle(width: number, height: number) {
  return {
    aspectRatio: `${width} / ${height}`,
    maxWidth: `calc(max(20rem, 100vh - 22rem) * ${width / height})`,
  };
}

interface ShapeProps {
  region: Region;
  index: number;
  look: work.Look;
  perPixel: number;
}

function Shape({ region, index, look, perPixel }: ShapeProps) {
  const classes = project.value?.classes ?? [];
  const colour = colourOf(classes, region.class);
  const [x, y] = boundsOf(region);
  const { width, height } = size.value;
  const points = cornersOf(region).map(pixels).join(" ");
  return (
    <g class={`shape ${look}`}>
      {/* Light below the colour: it is seen on any picture. */}
      <polygon class="halo" points={points} />
      <polygon class="outline" points={points} stroke={colour} fill={colour} data-mark={index} />
      <text
        x={(x / 100) * width}
        y={Math.max((y / 100) * height - 4 * perPixel, NAME_PX * perPixel)}
        font-size={NAME_PX * perPixel}
        stroke-width={3 * perPixel}
      >
        {nameOf(classes, region.class)}
      </text>
    </g>
  );
}

function Handles({ region, perPixel }: { region: Region; perPixel: number }) {
  return (
    <>
      {partsOf(region).map((corner, part) => {
        const [x, y] = pixels(corner);
        return (
          <g key={part} class={work.part.value === part ? "handle held" : "handle"}>
            <circle cx={x} cy={y} r={HANDLE_PX * perPixel} />
            <circle class="reach" cx={x} cy={y} r={reachPx() * perPixel} data-part={part} />
          </g>
        );
      })}
    </>
  );
}

function Drawing({ corners, perPixel }: { corners: Corner[]; perPixel: number }) {
  const colour = colourOf(project.value?.classes ?? [], work.brush.value);
  const [x, y] = pixels(crosshair.value);
  const arm = 12 * perPixel;
  return (
    <g class="drawing" stroke={colour}>
      <polyline class="halo" points={corners.map(pixels).join(" ")} />
      <polyline class="outline" points={corners.map(pixels).join(" ")} />
      {corners.map((corner, index) => {
        const [cx, cy] = pixels(corner);
        return <circle key={index} cx={cx} cy={cy} r={HANDLE_PX * perPixel} fill={colour} />;
      })}
      <path class="halo" d={`M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`} />
      <path class="outline" d={`M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`} />
    </g>
  );
}

function pixels([x, y]: Corner): [number, number] {
  return [(x / 100) * size.value.width, (y / 100) * size.value.height];
}
