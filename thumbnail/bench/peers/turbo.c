/* turbo FILE SIZE N: decodes a JPEG at 1/8 N times after one, nothing else, prints CPU milliseconds of each. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <turbojpeg.h>

static double cpu(void) {
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec * 1e3 + u.ru_utime.tv_usec / 1e3 + u.ru_stime.tv_sec * 1e3 + u.ru_stime.tv_usec / 1e3;
}

/* peak is this process's largest resident memory in KiB. getrusage's would be that of the process that started it. */
static long peak(void) {
	char line[256];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "VmHWM: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

int main(int argc, char **argv) {
	FILE *f = fopen(argv[1], "rb");
	if (!f || fseek(f, 0, SEEK_END))
		return 1;
	long size = ftell(f);
	rewind(f);
	unsigned char *data = malloc(size);
	if (fread(data, 1, size, f) != (size_t) size)
		return 1;
	tjhandle t = tjInitDecompress();
	int w, h, sub, space, n = atoi(argv[3]);
	if (tjDecompressHeader3(t, data, size, &w, &h, &sub, &space))
		return 1;
	int sw = (w + 7) / 8, sh = (h + 7) / 8;
	unsigned char *pixels = malloc((size_t) sw * sh * 3);
	double before = 0;
	for (int i = 0; i <= n; i++) {
		if (i == 1)
			before = cpu();
		if (tjDecompress2(t, data, size, pixels, sw, 0, sh, TJPF_RGB, 0))
			return 1;
	}
	double ms = (cpu() - before) / n;
	printf("{\"ms\": %f, \"kb\": %ld}\n", ms, peak());
	return 0;
}
