/* vips FILE SIZE N: makes N thumbnails after one, prints CPU milliseconds of each.
   vips -reference FILE WIDTH HEIGHT OUT: full decoding, then Lanczos3 without any shortcut, as raw RGB.
   vips -exact ...: the same in floating point. On bytes libvips computes with weights of few bits and rounds down, which makes
   pictures half a grey level to 1.4 darker. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <vips/vips.h>

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

static void make(const char *file, int size) {
	VipsImage *out = NULL;
	void *data;
	size_t n;
	if (vips_thumbnail(file, &out, size, "height", size, "size", VIPS_SIZE_DOWN, NULL) ||
	    vips_jpegsave_buffer(out, &data, &n, "Q", 80, "strip", TRUE, NULL))
		vips_error_exit(NULL);
	g_free(data);
	g_object_unref(out);
}

static int reference(char **argv) {
	VipsImage *in, *rgb, *wide, *resized, *rounded, *out;
	int exact = !strcmp(argv[1], "-exact");
	int w = atoi(argv[3]), h = atoi(argv[4]);
	if (!(in = vips_image_new_from_file(argv[2], NULL)) || vips_colourspace(in, &rgb, VIPS_INTERPRETATION_sRGB, NULL) ||
	    vips_cast(rgb, &wide, exact ? VIPS_FORMAT_FLOAT : VIPS_FORMAT_UCHAR, NULL) ||
	    vips_resize(wide, &resized, w / (double) in->Xsize, "vscale", h / (double) in->Ysize, "kernel", VIPS_KERNEL_LANCZOS3, "gap", 0.0, NULL) ||
	    vips_rint(resized, &rounded, NULL) || vips_cast(rounded, &out, VIPS_FORMAT_UCHAR, NULL))
		vips_error_exit(NULL);
	if (out->Xsize != w || out->Ysize != h || out->Bands != 3) {
		fprintf(stderr, "reference is %dx%d with %d bands\n", out->Xsize, out->Ysize, out->Bands);
		return 1;
	}
	size_t n;
	void *data = vips_image_write_to_memory(out, &n);
	FILE *f = fopen(argv[5], "wb");
	if (!data || !f || fwrite(data, 1, n, f) != n || fclose(f))
		vips_error_exit(NULL);
	puts("{}");
	return 0;
}

int main(int argc, char **argv) {
	if (VIPS_INIT(argv[0]))
		vips_error_exit(NULL);
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	if (argc == 6 && argv[1][0] == '-')
		return reference(argv);
	int size = atoi(argv[2]), n = atoi(argv[3]);
	make(argv[1], size);
	double before = cpu();
	for (int i = 0; i < n; i++)
		make(argv[1], size);
	double ms = (cpu() - before) / n;
	printf("{\"ms\": %f, \"kb\": %ld}\n", ms, peak());
	return 0;
}
