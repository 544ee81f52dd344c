import type { OwnerBox } from './owner-box.ts';

export const PLACES = {
  sleep: 'https://study.sleep-lab.example/in',
  weather: 'https://weather.example/readings',
  energy: 'https://grid.energy.example/v2/meters',
  backup: 'https://backup.example/home/archive',
  fitness: 'https://social.fitness.example/share',
  ads: 'https://track.adnetwork.example/collect',
} as const;

const WEEKS = 4;
const DAYS = 7 * WEEKS;

/** Four weeks of a home: steady apps, a destination that is dead today, one that is blocked, a budget nearly used. */
export async function liveSampleLife(box: OwnerBox): Promise<void> {
  let sent = 0;
  const send = async (app: string, to: string, count: number, bytes: number): Promise<void> => {
    if (count > 0) await box.send({ app, to, count, bytes });
    sent += count;
  };
  for (let day = DAYS - 1; day > 0; day -= 1) {
    await box.inThePast(day, async () => {
      await Promise.all([
        send('sleep-diary', PLACES.sleep, 6 + (day % 4), 2_400),
        send('weather-station', PLACES.weather, 24 - (day % 7 === 3 ? 20 : 0), 310),
        send('smart-meter', PLACES.energy, 12 + ((day * 5) % 9), 1_100),
        send('family-photos', PLACES.backup, day % 3 === 0 ? 4 : 0, 90_000),
      ]);
      await box.ended(sent);
    });
  }
  await send('sleep-diary', PLACES.sleep, 7, 2_400);
  await send('smart-meter', PLACES.energy, 11, 1_100);
  await send('sleep-diary', PLACES.weather, 2, 180);
  await box.ended(sent);
  box.world.set('weather.example', {
    kind: 'fails',
    failure: { code: 'connection_failed', detail: 'Connection refused.' },
  });
  await box.send({ app: 'weather-station', to: PLACES.weather, count: 5, bytes: 310 });
  const rule = { kind: 'budget', app: 'fitness-band', limit: 10, unit: 'exports', per: 'day' };
  await box.ask('POST', '/owner/rules', rule);
  await send('fitness-band', PLACES.fitness, 9, 700);
  await box.ask('POST', '/owner/rules', { kind: 'block', destination: PLACES.ads, note: 'No, thank you.' });
  await box.ended(sent);
}
