// google-auth-library: a client with application-default credentials.
const readline = require('node:readline');
const {GoogleAuth} = require('google-auth-library');

const auth = new GoogleAuth({scopes: ['https://www.googleapis.com/auth/earthengine']});
const url = `${process.env.EARTH_ENGINE}/v1/projects/${process.env.GOOGLE_CLOUD_PROJECT}/value:compute`;

(async () => {
  for await (const line of readline.createInterface({input: process.stdin})) {
    try {
      const expression = {result: '0', values: {0: {constantValue: Number(line) + 1}}};
      const client = await auth.getClient();
      const answer = await client.request({url, method: 'POST', data: {expression}, retry: false});
      console.log('ok', JSON.stringify(answer.data));
    } catch (error) {
      console.log('error', String(error).replaceAll('\n', ' '));
    }
  }
})();
