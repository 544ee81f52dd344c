import { render } from 'preact';
import { App } from './app.tsx';
import { keepUpToDate } from './state/box.ts';
import { signIn } from './state/session.ts';
import './styles.css';

keepUpToDate();
void signIn();
const page = document.getElementById('page');
if (page === null) throw new Error('The page has no place to draw in.');
render(<App />, page);
