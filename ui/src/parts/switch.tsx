import { useId } from 'preact/hooks';

export interface SwitchProps<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly options: Readonly<Record<V, string>>;
  readonly onChoose: (value: V) => void;
}

/** One of a few, all of which are in sight. */
export function Switch<V extends string>({ label, value, options, onChoose }: SwitchProps<V>) {
  const group = useId();
  return (
    <fieldset class="switch">
      <legend class="hidden">{label}</legend>
      {(Object.entries(options) as [V, string][]).map(([option, name]) => (
        <label key={option}>
          <input
            type="radio"
            name={group}
            value={option}
            checked={option === value}
            onChange={() => onChoose(option)}
          />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
}
