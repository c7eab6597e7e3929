/*
 * Integer and memory loops for `deno task bench`: sort, hash, matrix, string. Each prints its name and the nanoseconds it
 * took by the guest's monotonic clock.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint32_t state = 1;
static uint32_t next(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint64_t sort(void)
{
	enum { N = 1 << 17 };
	uint32_t *list = malloc(N * sizeof(*list));
	for (int i = 0; i < N; i++)
		list[i] = next();
	qsort(list, N, sizeof(*list), compare);
	return list[N / 2];
}

static uint64_t hash(void)
{
	uint64_t h = 14695981039346656037ull;
	static uint8_t data[1 << 16];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = next();
	for (int round = 0; round < 100; round++)
		for (size_t i = 0; i < sizeof(data); i++)
			h = (h ^ data[i]) * 1099511628211ull;
	return h;
}

static uint64_t matrix(void)
{
	enum { N = 128 };
	static uint32_t a[N][N], b[N][N], c[N][N];
	for (int i = 0; i < N * N; i++)
		a[0][i] = next(), b[0][i] = next();
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			uint32_t sum = 0;
			for (int k = 0; k < N; k++)
				sum += a[i][k] * b[k][j];
			c[i][j] = sum;
		}
	return c[N / 2][N / 3];
}

static uint64_t string(void)
{
	static char text[1 << 16], copy[1 << 16];
	uint64_t found = 0;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = 'a' + next() % 26;
	for (int round = 0; round < 20; round++) {
		strcpy(copy, text);
		found += strlen(copy);
		for (char *at = copy; (at = strstr(at, "xy")); at++)
			found++;
	}
	return found;
}

int main(void)
{
	static const struct {
		const char *name;
		uint64_t (*run)(void);
	} parts[] = { { "sort", sort }, { "hash", hash }, { "matrix", matrix }, { "string", string } };
	uint64_t all = 0;
	for (int i = 0; i < 4; i++) {
		uint64_t before = now();
		uint64_t result = parts[i].run();
		uint64_t took = now() - before;
		all += took;
		printf("mix %s %llu %llx\n", parts[i].name, (unsigned long long)took, (unsigned long long)result);
	}
	printf("mix all %llu\n", (unsigned long long)all);
	fflush(stdout);
	return 0;
}
