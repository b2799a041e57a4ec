import { useSignal } from "@preact/signals";
import type { JSX, TargetedDragEvent, TargetedEvent } from "preact";
import type { Job } from "tcan-client";
import type { InputName } from "../api/index.ts";
import { fileSize, percent } from "../format.ts";
import { CheckIcon, CloseIcon, CropIcon, FilmIcon, LinkIcon, PictureIcon, RefreshIcon, WarningIcon } from "../icons.tsx";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import { CropDialog } from "./crop/CropDialog.tsx";
import type { InputState, Source } from "./input.ts";
import { JobThumbnail } from "./JobThumbnail.tsx";
import type { InputSlot } from "./slot.ts";
import { Thumbnail } from "./Thumbnail.tsx";

const ACCEPT = { picture: "image/*", driver: "video/*,image/gif,image/webp,image/apng,.json,.zip" };
const HINTS = { picture: texts.bring.pictureHint, driver: texts.bring.driverHint };

interface Props {
  name: InputName;
  slot: InputSlot;
  /** What shows the driving file, whose shape a picture may get; null without one. */
  driver: string | null;
  /** The job whose input is used while this one is empty. */
  open: Job | null;
}

/** One input: drop a file on it, choose one, or give an address. */
export function InputField({ name, slot, driver, open }: Props): JSX.Element {
  const hasAddressForm = useSignal(false);
  /** The thumbnail that this browser could not show. */
  const broken = useSignal<string | null>(null);
  const state = slot.state.value;
  const isBroken = broken.value !== null && broken.value === slot.thumbnail.value;
  const isCropping = useSignal(false);
  const cropped = name === "picture" && state.kind !== "empty" && !isBroken ? originalOf(state.source) : null;
  const id = `input-${name}`;
  const remove = `${texts.bring.remove} ${texts.bring.names[name]}`;

  const drop = (event: TargetedDragEvent<HTMLDivElement>) => {
    const file = event.dataTransfer?.files[0];
    if (file && event.dataTransfer?.files.length === 1) {
      event.preventDefault();
      slot.choose({ kind: "file", file });
    }
  };
  const choose = (event: TargetedEvent<HTMLInputElement>) => {
    const file = event.currentTarget.files?.[0];
    if (file) {
      slot.choose({ kind: "file", file });
    }
    // The same file may be chosen again after it was changed.
    event.currentTarget.value = "";
  };

  return (
    <div class="input-field stack" onDrop={drop}>
      <div class="input-tile">
        <input
          class="visually-hidden"
          id={id}
          type="file"
          accept={ACCEPT[name]}
          aria-labelledby={`${id}-name`}
          aria-describedby={`${id}-status`}
          onChange={choose}
        />
        <label class="well input-thumbnail" for={id}>
          {state.kind === "empty" ? (
            <EmptyWell name={name} open={open} />
          ) : (
            <Thumbnail
              key={slot.thumbnail.value}
              source={state.source}
              url={slot.thumbnail.value}
              isBroken={isBroken}
              onBroken={() => (broken.value = slot.thumbnail.value)}
            />
          )}
        </label>
        <div class="input-words">
          <div class="row spread nowrap">
            <label id={`${id}-name`} class="label" for={id}>
              {texts.bring[name]}
            </label>
            {state.kind !== "empty" ? (
              <button
                class="button quiet icon input-remove"
                type="button"
                aria-label={remove}
                title={remove}
                onClick={() => slot.clear()}
              >
                <CloseIcon />
              </button>
            ) : null}
          </div>
          <div id={`${id}-status`} class="hint" role="status">
            {state.kind === "empty" && open ? <p>{texts.bring.ofJob[name]}</p> : null}
            <Status name={name} state={state} isBroken={isBroken} />
          </div>
          <div class="row input-actions">
            <button
              class="button quiet"
              type="button"
              aria-expanded={hasAddressForm.value}
              onClick={() => (hasAddressForm.value = !hasAddressForm.value)}
            >
              <LinkIcon /> {texts.bring.address}
              <span class="visually-hidden"> {texts.bring.names[name]}</span>
            </button>
            {cropped ? (
              <button class="button quiet" type="button" onClick={() => (isCropping.value = true)}>
                <CropIcon /> {texts.crop.open}
              </button>
            ) : null}
          </div>
        </div>
      </div>
      {cropped && isCropping.value ? (
        <CropDialog
          file={cropped}
          driver={driver}
          onCrop={(file) => slot.choose({ kind: "file", file, ...(file !== cropped && { original: cropped }) })}
          onClose={() => (isCropping.value = false)}
        />
      ) : null}
      {state.kind === "sending" ? (
        <progress
          aria-label={texts.bring.sendingOf(texts.bring.names[name])}
          value={percent(state.sent)}
          max={100}
        />
      ) : null}
      {hasAddressForm.value ? (
        <AddressForm
          name={name}
          onUse={(url) => {
            hasAddressForm.value = false;
            slot.choose({ kind: "address", url });
          }}
        />
      ) : null}
      {(state.kind === "failed" || state.kind === "empty") && state.trouble ? (
        <TroubleNotice trouble={state.trouble}>
          {state.kind === "failed" && state.canRepeat ? (
            <button class="button" type="button" onClick={slot.repeat}>
              <RefreshIcon /> {texts.bring.again}
            </button>
          ) : null}
        </TroubleNotice>
      ) : null}
    </div>
  );
}

function EmptyWell({ name, open }: Pick<Props, "name" | "open">): JSX.Element {
  return open ? (
    <JobThumbnail key={open.id} job={open} name={name} />
  ) : (
    <span class="input-empty">{name === "picture" ? <PictureIcon /> : <FilmIcon />}</span>
  );
}

interface StatusProps {
  name: InputName;
  state: InputState;
  /** Whether this browser cannot show the file. */
  isBroken: boolean;
}

function Status({ name, state, isBroken }: StatusProps): JSX.Element {
  if (state.kind === "empty") {
    return (
      <>
        {texts.bring.drop}. {HINTS[name]}
      </>
    );
  }
  return (
    <>
      <span class="input-name">{nameOf(state.source)}</span>
      {state.kind === "sending" ? (
        <span class="num">
          {state.isInterrupted ? texts.bring.interrupted : texts.bring.sending(percent(state.sent))}
        </span>
      ) : null}
      {state.kind === "ready" ? <Ready source={state.source} isBroken={isBroken} /> : null}
    </>
  );
}

function Ready({ source, isBroken }: { source: Source; isBroken: boolean }): JSX.Element {
  if (isBroken) {
    return (
      <span class="input-doubt">
        <WarningIcon /> {texts.bring.noThumbnail}
      </span>
    );
  }
  return (
    <span class="input-sent">
      <CheckIcon /> {source.kind === "file" ? texts.bring.sent : texts.bring.fromAddress}
    </span>
  );
}

/** Return the whole picture of a file, which may be a part of it. */
function originalOf(source: Source): File | null {
  return source.kind === "file" ? (source.original ?? source.file) : null;
}

function nameOf(source: Source): string {
  return source.kind === "file" ? `${source.file.name} · ${fileSize(source.file.size)}` : source.url;
}

function AddressForm({ name, onUse }: { name: InputName; onUse: (url: string) => void }): JSX.Element {
  const isInvalid = useSignal(false);
  const id = `address-${name}`;
  const submit = (event: TargetedEvent<HTMLFormElement, SubmitEvent>) => {
    event.preventDefault();
    const url = String(new FormData(event.currentTarget).get("url")).trim();
    isInvalid.value = !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "");
    if (!isInvalid.value) {
      onUse(url);
    }
  };
  return (
    <form class="field" onSubmit={submit} noValidate>
      <label for={id}>{texts.bring.addressOf[name]}</label>
      <div class="row nowrap">
        <input
          class="input"
          id={id}
          name="url"
          type="url"
          inputMode="url"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={isInvalid.value}
          aria-describedby={`${id}-hint`}
          ref={(field) => field?.focus()}
        />
        <button class="button" type="submit">
          {texts.bring.use}
        </button>
      </div>
      <p class="hint" id={`${id}-hint`} role={isInvalid.value ? "alert" : undefined}>
        {isInvalid.value ? texts.bring.addressInvalid : texts.bring.addressHint}
      </p>
    </form>
  );
}
