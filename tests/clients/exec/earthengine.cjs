// @google/earthengine with the token of google-auth-library, which it asks for a new one whenever it needs one.
const readline = require('node:readline');
const {GoogleAuth} = require('google-auth-library');
const ee = require('@google/earthengine');

const auth = new GoogleAuth({scopes: ['https://www.googleapis.com/auth/earthengine']});

async function authorize() {
  const token = await auth.getAccessToken();
  ee.data.setAuthToken('', 'Bearer', token, 3600, [], () => {}, false);
}

function initialize() {
  const base = process.env.EARTH_ENGINE;
  return new Promise((resolve, reject) =>
      ee.initialize(base + '/api', base, resolve, (why) => reject(new Error(why)), null, process.env.GOOGLE_CLOUD_PROJECT));
}

function add(number) {
  return new Promise((resolve, reject) =>
      ee.Number(number).add(1).evaluate((value, why) => why ? reject(new Error(why)) : resolve(value)));
}

(async () => {
  let ready = false;
  for await (const line of readline.createInterface({input: process.stdin})) {
    try {
      await authorize();
      if (!ready) await initialize();
      ready = true;
      console.log('ok', await add(Number(line)));
    } catch (error) {
      console.log('error', String(error).replaceAll('\n', ' '));
    }
  }
})();
