/* A filesystem that answers constants: what the kernel and libfuse cost by themselves.
 *
 *   constant_fs FILE COUNT LIBFUSE-ARGUMENT...
 *
 * It has COUNT files, whose names are numbers of ten digits, and each has the bytes of FILE. As on a mount of theiafs, the kernel
 * keeps attributes for a second, and the bytes as long as it has room. For libfuse 2, FUSE_USE_VERSION is 26, for libfuse 3 it is 35.
 */
#include <errno.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if FUSE_USE_VERSION >= 30
#define OF_3(...) , __VA_ARGS__
#else
#define OF_3(...)
#endif

static const unsigned long first = 1000000000;
static unsigned long count;
static char *bytes;
static struct stat file, directory;

/* Return the number of the file at a path, 0 for the directory, -1 for anything else. */
static long number_of(const char *path)
{
    char *end;
    unsigned long number;

    if (strcmp(path, "/") == 0)
        return 0;
    number = strtoul(path + 1, &end, 10);
    return *end == '\0' && number >= first && number < first + count ? (long)number : -1;
}

static int get_attributes(const char *path, struct stat *stat OF_3(struct fuse_file_info *info))
{
    long number = number_of(path);

    if (number < 0)
        return -ENOENT;
    *stat = number ? file : directory;
    stat->st_ino = number + 1;
    return 0;
}

static int list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info
                OF_3(enum fuse_readdir_flags flags))
{
    char name[32];
    struct stat stat = file;

    for (unsigned long number = first; number < first + count; number++) {
        snprintf(name, sizeof name, "%lu", number);
        stat.st_ino = number + 1;
        if (fill(buffer, name, &stat, 0 OF_3(0)))
            break;
    }
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
    info->keep_cache = 1;
    return number_of(path) > 0 ? 0 : -ENOENT;
}

static int read_file(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
    if (offset >= file.st_size)
        return 0;
    if (offset + (off_t)size > file.st_size)
        size = file.st_size - offset;
    memcpy(buffer, bytes + offset, size);
    return size;
}

static const struct fuse_operations operations = {
    .getattr = get_attributes,
    .readdir = list,
    .open = open_file,
    .read = read_file,
};

int main(int argc, char *argv[])
{
    FILE *input;

    if (argc < 4 || (input = fopen(argv[1], "rb")) == NULL || fstat(fileno(input), &file) != 0) {
        fprintf(stderr, "usage: constant_fs FILE COUNT LIBFUSE-ARGUMENT...\n");
        return 2;
    }
    bytes = malloc(file.st_size + 1);
    if (bytes == NULL || fread(bytes, 1, file.st_size, input) != (size_t)file.st_size)
        return 1;
    fclose(input);
    count = strtoul(argv[2], NULL, 10);
    file.st_nlink = 1;
    directory.st_mode = S_IFDIR | 0555;
    directory.st_nlink = 1;
    argv[2] = argv[0];
    return fuse_main(argc - 2, argv + 2, &operations, NULL);
}
