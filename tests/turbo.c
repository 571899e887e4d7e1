/* The limit that `make bench` measures against: decode and encode, memory to memory, nothing else.
 *
 * usage: turbo FILE QUALITY; FILE holds images, JPEG or PNG, each after its length (4 bytes, little
 * endian). Prints the seconds that decoding and encoding all of them took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <jpeglib.h>
#include <png.h>

static unsigned char *pixels;
static size_t room;
static unsigned width, height;

static void reserve(size_t size) {
  if (size > room) pixels = realloc(pixels, room = size);
}

static void decode_jpeg(const unsigned char *data, size_t size) {
  struct jpeg_decompress_struct in;
  struct jpeg_error_mgr errors;
  in.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&in);
  jpeg_mem_src(&in, data, size);
  jpeg_read_header(&in, TRUE);
  in.out_color_space = JCS_RGB;
  jpeg_start_decompress(&in);
  width = in.output_width, height = in.output_height;
  reserve((size_t)width * height * 3);
  while (in.output_scanline < height) {
    JSAMPROW row = pixels + (size_t)in.output_scanline * width * 3;
    jpeg_read_scanlines(&in, &row, 1);
  }
  jpeg_finish_decompress(&in);
  jpeg_destroy_decompress(&in);
}

static void decode_png(const unsigned char *data, size_t size) {
  png_image image;
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  png_image_begin_read_from_memory(&image, data, size);
  image.format = PNG_FORMAT_RGB;
  width = image.width, height = image.height;
  reserve(PNG_IMAGE_SIZE(image));
  png_image_finish_read(&image, NULL, pixels, 0, NULL);
}

static void encode(int quality) {
  struct jpeg_compress_struct out;
  struct jpeg_error_mgr errors;
  unsigned char *buffer = NULL;
  unsigned long size = 0;
  out.err = jpeg_std_error(&errors);
  jpeg_create_compress(&out);
  jpeg_mem_dest(&out, &buffer, &size);
  out.image_width = width, out.image_height = height;
  out.input_components = 3, out.in_color_space = JCS_RGB;
  jpeg_set_defaults(&out);
  jpeg_set_quality(&out, quality, TRUE);
  jpeg_start_compress(&out, TRUE);
  while (out.next_scanline < height) {
    JSAMPROW row = pixels + (size_t)out.next_scanline * width * 3;
    jpeg_write_scanlines(&out, &row, 1);
  }
  jpeg_finish_compress(&out);
  jpeg_destroy_compress(&out);
  free(buffer);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  FILE *file = fopen(argv[1], "rb");
  if (!file) return 1;
  fseek(file, 0, SEEK_END);
  size_t total = ftell(file);
  rewind(file);
  unsigned char *all = malloc(total);
  if (fread(all, 1, total, file) != total) return 1;
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (size_t place = 0; place < total;) {
    unsigned size;
    memcpy(&size, all + place, 4);
    const unsigned char *data = all + place + 4;
    if (data[0] == 0xff) decode_jpeg(data, size);
    else decode_png(data, size);
    encode(atoi(argv[2]));
    place += 4 + size;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%f\n", end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) * 1e-9);
  return 0;
}
