// The compiler puts package.json into dist too, so this path is right in a checkout and in the package.
import packageJson from '../package.json' with { type: 'json' };

/** Of this package; for `--version` and the `user-agent` that destinations see. */
export const VERSION: string = packageJson.version;
