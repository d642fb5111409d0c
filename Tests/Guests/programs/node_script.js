// shows: node: promises, timers, files, a child process, worker threads with shared memory, a hot loop for its compiler, zlib, crypto
// run: node
// needs: program node
// engine: translated
// identity: report
// timeout: 300
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFileSync } = require('child_process');
const fs = require('fs');
const zlib = require('zlib');
const crypto = require('crypto');

if (!isMainThread) {
  const cells = new Int32Array(workerData);
  for (let i = 0; i < 1000; i++) Atomics.add(cells, 0, 1);
  parentPort.postMessage('done');
} else {
  main();
}

async function main() {
  const order = [];
  setTimeout(() => order.push('timeout'), 20);
  setImmediate(() => order.push('immediate'));
  process.nextTick(() => order.push('tick'));
  await Promise.resolve().then(() => order.push('promise'));
  await new Promise((done) => setTimeout(done, 50));
  console.log(order.sort().join(' '));

  // Hot enough for the optimising compiler, and then with other types, so that its code is thrown away.
  const add = (a, b) => a + b;
  let sum = 0;
  for (let i = 0; i < 300000; i++) sum = add(sum, i % 7);
  console.log(sum, add('a', 'b'), add(0.5, 1));
  class Point { constructor(x) { this.x = x; } get twice() { return this.x * 2; } }
  console.log([...Array(5000).keys()].map((x) => new Point(x).twice).filter((x) => x % 3 === 0).reduce((a, b) => a + b));
  console.log('a1b22c333'.replace(/[0-9]+/g, (digits) => `<${digits.length}>`));

  fs.writeFileSync('file.txt', 'line\n'.repeat(1000));
  const packed = zlib.gzipSync(fs.readFileSync('file.txt'));
  console.log(zlib.gunzipSync(packed).length, crypto.createHash('sha256').update('text').digest('hex').slice(0, 16));
  console.log(execFileSync('/bin/echo', ['from', 'a', 'child']).toString().trim());
  console.log((await fs.promises.readdir('.')).includes('file.txt'));

  const shared = new SharedArrayBuffer(4);
  const workers = [0, 1, 2].map(() => new Worker(__filename, { workerData: shared }));
  await Promise.all(workers.map((worker) => new Promise((done) => worker.on('exit', done))));
  console.log(new Int32Array(shared)[0]);
}
