// A recording: the traces on a canvas, the marks and their edges as shapes over it, the time below.

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Series } from "../assets";
import { colourOf, dark } from "../colours";
import type { Field, Label, Segment } from "../contract";
import { project } from "../deck";
import { gestures, type Stretch } from "../gestures";
import { heldEdge, isPoint, press, seen, view, width as shownWidth } from "../kinds/segments";
import { drawTraces, ticks } from "../kinds/trace";
import { marksOf } from "../label";
import * as work from "../work";
import { nameOf } from "../words";
import { WithAsset } from "./asset";
import { reachPx, useWidth } from "./width";

const LANES_PX = 400;
const LANE_PX_MIN = 64;
const LANE_PX_MAX = 170;
const STILL_LANE_PX = 46;
const TICK_PX = 110;
const LINE_PX = 1.5;
const HANDLE_PX = 6;
/** Room for a class's name. */
const NAME_PX = 110;

/** The recording of the card on the table, with the label that is worked on. */
export function WorkTraces({ field }: { field: Field }) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  useLayoutEffect(() => {
    shownWidth.value = width;
  }, [width]);
  const lane = useRef(LANE_PX_MAX);
  const hand = useMemo(
    () =>
      gestures({
        press(at, on) {
          const row = Math.floor(at.y / lane.current);
          return press(at, on, on.closest(".ruler") === null ? row : null);
        },
        view,
      }),
    [],
  );
  return (
    <div
      ref={frame}
      class="traces"
      role="application"
      aria-label={`${field.title}: ${work.marks.value.length} segments`}
      tabIndex={0}
      data-surface
      {...hand}
    >
      <WithAsset field={field}>
        {(asset) => {
          if (asset.at !== "series") return null;
          lane.current = laneHeight(asset.series);
          return (
            <Lanes series={asset.series} seen={seen.value} width={width} laneHeight={lane.current}>
              {work.marks.value.map((mark, index) => (
                <Band
                  key={index}
                  segment={mark as Segment}
                  index={index}
                  look={work.lookOf(mark, index)}
                  place={{ seen: seen.value, width, lanes: asset.series.channels.length, laneHeight: lane.current }}
                />
              ))}
            </Lanes>
          );
        }}
      </WithAsset>
    </div>
  );
}

interface StillProps {
  field: Field;
  label: Label | null;
  differs: boolean[];
  small?: boolean;
}

/** A recording to look at, with what somebody marked in it. */
export function StillTraces({ field, label, differs, small }: StillProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  return (
    <div ref={frame} class="traces still">
      <WithAsset field={field}>
        {(asset) => {
          if (asset.at !== "series") return null;
          const { series } = asset;
          const whole = { from: series.start, to: series.start + Math.max(1, series.count - 1) * series.step };
          const height = small ? STILL_LANE_PX : laneHeight(series);
          return (
            <Lanes series={series} seen={whole} width={width} laneHeight={height}>
              {marksOf(label).map((mark, index) => (
                <Band
                  key={index}
                  segment={mark as Segment}
                  index={index}
                  look={differs[index] ? "differs" : "shared"}
                  place={{ seen: whole, width, lanes: series.channels.length, laneHeight: height }}
                />
              ))}
            </Lanes>
          );
        }}
      </WithAsset>
    </div>
  );
}

function laneHeight({ channels }: Series): number {
  return Math.min(Math.max(LANES_PX / channels.length, LANE_PX_MIN), LANE_PX_MAX);
}

interface LanesProps {
  series: Series;
  seen: Stretch;
  width: number;
  laneHeight: number;
  children: preact.ComponentChildren;
}

function Lanes({ series, seen: part, width, laneHeight: lane, children }: LanesProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = dark.value;
  useLayoutEffect(() => {
    if (canvas.current === null || width <= 1) return;
    const style = getComputedStyle(canvas.current);
    const [ink, line] = [style.getPropertyValue("--soft"), style.getPropertyValue("--line")];
    drawTraces(canvas.current, series, part, { width, laneHeight: lane, ink, line });
  }, [series, part.from, part.to, width, lane, theme]);
  const height = lane * series.channels.length;
  return (
    <>
      <div class="lanes" style={{ height: `${height}px` }}>
        <canvas ref={canvas} aria-hidden="true" />
        <svg aria-hidden="true" viewBox={`0 0 ${width} ${height}`}>
          {children}
        </svg>
        {series.channels.map(({ name, unit, range }, index) => (
          <p key={name} class="lane-name" style={{ top: `${index * lane + 1}px` }}>
            <strong>{name}</strong> {rangeText(range)} {unit}
          </p>
        ))}
      </div>
      <Ruler seen={part} width={width} unit={series.unit} />
    </>
  );
}

function Ruler({ seen: part, width, unit }: { seen: Stretch; width: number; unit: string }) {
  const marks = ticks(part, width / TICK_PX);
  return (
    <svg class="ruler" aria-hidden="true" viewBox={`0 0 ${width} 28`} height={28}>
      <rect width={width} height={28} fill="transparent" />
      {marks.map((time) => {
        const x = xOf(time, part, width);
        return (
          <g key={time}>
            <line x1={x} x2={x} y1={0} y2={6} />
            <text x={Math.min(Math.max(x, 16), width - 24)} y={21}>
              {String(time)} {unit}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

interface Place {
  seen: Stretch;
  width: number;
  lanes: number;
  laneHeight: number;
}

interface BandProps {
  segment: Segment;
  index: number;
  look: work.Look;
  place: Place;
}

function Band({ segment, index, look, place }: BandProps) {
  const classes = project.value?.classes ?? [];
  const colour = colourOf(classes, segment.class);
  const [from, to] = [segment.start, segment.end].map((time) => xOf(time, place.seen, place.width)) as [number, number];
  const whole = segment.channel == null || segment.channel >= place.lanes;
  const top = whole ? 0 : segment.channel! * place.laneHeight;
  const height = (whole ? place.lanes : 1) * place.laneHeight;
  const reach = reachPx();
  const point = isPoint(segment);
  // Near the right edge the name stands to the left of the mark.
  const late = from > place.width - NAME_PX;
  return (
    <g class={`band ${look}`} stroke={colour} fill={colour}>
      {!point && (
        <rect
          class="area"
          x={from}
          y={top}
          width={Math.max(LINE_PX, to - from)}
          height={height}
          data-mark={index}
        />
      )}
      <line x1={from} x2={from} y1={top} y2={top + height} />
      {!point && <line x1={to} x2={to} y1={top} y2={top + height} />}
      {point && <circle cx={from} cy={top + HANDLE_PX} r={HANDLE_PX} />}
      {point && <rect class="reach" x={from - reach} y={top} width={2 * reach} height={height} data-mark={index} />}
      {look === "selected" &&
        !point &&
        [from, to].map((x, part) => (
          <g key={part} class={heldEdge() === part ? "handle held" : "handle"}>
            <rect x={x - HANDLE_PX / 2} y={top + height / 2 - 14} width={HANDLE_PX} height={28} rx={3} />
            <rect class="reach" x={x - reach} y={top} width={2 * reach} height={height} data-part={part} />
          </g>
        ))}
      <text
        x={late ? Math.min(to, place.width) - 5 : Math.max(from, 0) + 5}
        y={top + height - 8}
        text-anchor={late ? "end" : "start"}
      >
        {nameOf(classes, segment.class)}
      </text>
    </g>
  );
}

function xOf(time: number, { from, to }: Stretch, width: number): number {
  return ((time - from) / (to - from)) * width;
}

function rangeText(range: [number, number] | null): string {
  return range === null ? "no values" : range.map((value) => String(Number(value.toPrecision(3))).replace("-", "−")).join(" … ");
}
