import { useId } from 'preact/hooks';

interface ChooseProps<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly options: Readonly<Record<V, string>>;
  readonly onChoose: (value: V) => void;
}

/** One of many, which come up when they are asked for. */
export function Choose<V extends string>({ label, value, options, onChoose }: ChooseProps<V>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={({ currentTarget }) => onChoose(currentTarget.value as V)}>
        {(Object.entries(options) as [V, string][]).map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
    </div>
  );
}
