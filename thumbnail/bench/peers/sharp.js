// node sharp.js FILE SIZE N OUT: makes N thumbnails after one, prints CPU milliseconds of each.
const sharp = require("sharp");
const { readFileSync, writeFileSync } = require("fs");
sharp.concurrency(1);
sharp.cache(false);
const [file, size, n, out] = process.argv.slice(2);
const open = () =>
  sharp(file, { limitInputPixels: false, sequentialRead: true })
    .rotate()
    .resize(+size, +size, { fit: "inside", withoutEnlargement: true });
(async () => {
  if (out) {
    const { data, info } = await open().flatten().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
    writeFileSync(out + ".rgb", info.channels === 1 ? Buffer.from([...data].flatMap((v) => [v, v, v])) : data);
    const [w, h] = [info.width, info.height];
    for (let q = 60; q <= 95; q += 5) writeFileSync(`${out}.${q}.jpg`, await open().jpeg({ quality: q }).toBuffer());
    console.log(JSON.stringify({ w, h }));
    return;
  }
  await open().jpeg({ quality: 80 }).toBuffer();
  const before = process.cpuUsage();
  for (let i = 0; i < +n; i++) await open().jpeg({ quality: 80 }).toBuffer();
  const used = process.cpuUsage(before);
  const kb = +/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
  console.log(JSON.stringify({ ms: (used.user + used.system) / 1000 / +n, kb }));
})();
