// google-auth-library: an ID token for each audience that it reads.
const readline = require('node:readline');
const {GoogleAuth} = require('google-auth-library');

const auth = new GoogleAuth();

(async () => {
  for await (const audience of readline.createInterface({input: process.stdin})) {
    try {
      const client = await auth.getIdTokenClient(audience);
      const headers = new Headers(await client.getRequestHeaders());
      console.log('ok', headers.get('authorization').replace('Bearer ', ''));
    } catch (error) {
      console.log('error', String(error).replaceAll('\n', ' '));
    }
  }
})();
