/* Checkpoints: what is read is what was saved; damage and unfinished ones are noticed; the last few and the best are kept; a
 * failed save leaves the old ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "common/scratch.h"
#include "train/saved.h"

static float         weight[6] = { 1, 2, 3, 4, 5, 6 };
static uint8_t       moment[5] = { 9, 8, 7, 6, 5 };
static ds_blobs      model, optimizer;
static ds_small_file small = { .name = "config.json" };

static int set_up(void **state)
{
    ds_buf_adds(&small.bytes, "{}\n");
    ds_blobs_add(&model, "a.weight", "F32", 2, 3, weight, sizeof weight);
    ds_blobs_add(&optimizer, "a.weight.m", "U8", 1, 5, moment, sizeof moment);
    return 0;
}

static int tear_down(void **state)
{
    ds_buf_free(&small.bytes);
    ds_blobs_free(&model);
    ds_blobs_free(&optimizer);
    return 0;
}

static ds_save_result save(ds_saver *s, int64_t step, double validation)
{
    ds_save_result r;
    assert_int_equal(ds_saver_save(s, json_pack("{s:I, s:f}", "step", (json_int_t)step, "validation", validation)), DS_OK);
    assert_true(ds_saver_result(s, true, &r));
    assert_int_equal(r.step, step);
    return r;
}

static ds_saver *open_saver(const char *run, int64_t keep)
{
    ds_saver *s;
    assert_int_equal(ds_saver_open(&s, run, keep, true, &small, 1, &model, &optimizer), DS_OK);
    return s;
}

static void reads_what_it_saved(void **state)
{
    char      run[300], path[1024], note[600];
    json_t   *o;
    float     old[6];
    snprintf(run, sizeof run, "%s", scratch("one"));
    ds_saver *s = open_saver(run, 2);
    assert_int_equal(ds_saver_bytes(s), sizeof weight + sizeof moment);
    memcpy(old, weight, sizeof old);
    assert_int_equal(ds_saver_save(s, json_pack("{s:I}", "step", (json_int_t)3)), DS_OK);
    weight[0] = 100; /* the copy was taken */
    ds_saver_close(&s);
    assert_int_equal(ds_saved_find(run, path, &o, note), DS_OK);
    assert_string_equal(note, "");
    assert_int_equal(json_integer_value(json_object_get(o, "step")), 3);
    json_decref(o);
    memset(moment, 0, sizeof moment);
    assert_int_equal(ds_saved_read(path, DS_SAVED_MODEL, &model), DS_OK);
    assert_int_equal(ds_saved_read(path, DS_SAVED_OPTIMIZER, &optimizer), DS_OK);
    assert_memory_equal(weight, old, sizeof old);
    assert_int_equal(moment[0], 9);
    ds_blobs other = { 0 };
    ds_blobs_add(&other, "a.weight", "F32", 1, 3, weight, 12);
    assert_int_equal(ds_saved_read(path, DS_SAVED_MODEL, &other), DS_E_SHAPE);
    ds_blobs_free(&other);
}

static int count_checkpoints(const char *run)
{
    char     dir[400];
    ds_names names;
    snprintf(dir, sizeof dir, "%s/checkpoints", run);
    assert_int_equal(ds_list_dir(&names, dir), DS_OK);
    int n = (int)names.n;
    ds_names_free(&names);
    return n;
}

static void keeps_the_last_and_the_best(void **state)
{
    char      run[300], path[1024];
    json_t   *o;
    snprintf(run, sizeof run, "%s", scratch("many"));
    ds_saver *s = open_saver(run, 2);
    static const double loss[] = { 3, 2.5, 1, 2, 4, 2 };
    for (int i = 0; i < 6; i++)
        assert_int_equal(save(s, 10 * i, loss[i]).status, DS_OK);
    ds_saver_close(&s);
    assert_int_equal(count_checkpoints(run), 3); /* 20 (the best), 40, 50 */
    for (int i = 0; i < 6; i++) {
        ds_saved_path(run, 10 * i, path);
        assert_int_equal(ds_saved_open(path, &o), i == 2 || i > 3 ? DS_OK : DS_E_NOT_FOUND);
        json_decref(o);
    }
}

/* Every byte of every file counts; the newest whole one is found. */
static void passes_over_damage(void **state)
{
    static const char *const files[] = { DS_SAVED_MODEL, DS_SAVED_OPTIMIZER, DS_SAVED_STATE, DS_SAVED_SUM, "config.json" };
    char                     run[300], path[1024], file[1200], note[600], other[1100];
    json_t                  *o;
    snprintf(run, sizeof run, "%s", scratch("damage"));
    ds_saver *s = open_saver(run, 2);
    save(s, 1, 2);
    save(s, 2, 1);
    ds_saver_close(&s);
    for (int i = 0; i < 5; i++) {
        ds_buf b = { 0 };
        ds_saved_path(run, 2, path);
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        assert_int_equal(ds_read_file(file, 1 << 20, &b), DS_OK);
        for (size_t k = 0; k + (i == 3) < b.len; k += 1 + b.len / 7) {
            b.data[k] ^= 1;
            assert_int_equal(ds_write_file(file, b.data, b.len, true), DS_OK);
            b.data[k] ^= 1;
            assert_int_equal(ds_saved_find(run, other, &o, note), DS_OK);
            assert_int_equal(json_integer_value(json_object_get(o, "step")), 1);
            assert_non_null(strstr(note, "passed over"));
            json_decref(o);
        }
        assert_int_equal(ds_write_file(file, b.data, b.len / 2, true), DS_OK);
        assert_int_not_equal(ds_saved_open(path, &o), DS_OK);
        unlink(file);
        assert_int_not_equal(ds_saved_open(path, &o), DS_OK);
        assert_int_equal(ds_write_file(file, b.data, b.len, true), DS_OK);
        ds_buf_free(&b);
    }
    assert_int_equal(ds_saved_open(path, &o), DS_OK);
    json_decref(o);
}

static void sweeps_what_a_kill_left(void **state)
{
    char      run[300], path[400], note[600], found[1024];
    json_t   *o;
    snprintf(run, sizeof run, "%s", scratch("killed"));
    ds_saver *s = open_saver(run, 2);
    save(s, 1, 2);
    ds_saver_close(&s);
    snprintf(path, sizeof path, "%s/checkpoints/.step-0000000002.tmp", run);
    assert_int_equal(ds_make_dirs(path), DS_OK);
    strcat(path, "/" DS_SAVED_MODEL ".123.tmp");
    assert_int_equal(ds_write_file(path, "half", 4, true), DS_OK);
    assert_int_equal(ds_saved_find(run, found, &o, note), DS_OK);
    assert_int_equal(json_integer_value(json_object_get(o, "step")), 1);
    json_decref(o);
    s = open_saver(run, 2);
    assert_false(ds_is_file(path));
    ds_saver_close(&s);
}

/* A save that cannot be written: the old checkpoint stays, and the next save works. */
static void a_failed_save_harms_nothing(void **state)
{
    char      run[300], dir[400];
    json_t   *o;
    char      path[1024], note[600];
    snprintf(run, sizeof run, "%s", scratch("full"));
    ds_saver *s = open_saver(run, 1);
    assert_int_equal(save(s, 1, 2).status, DS_OK);
    snprintf(dir, sizeof dir, "%s/checkpoints/.step-0000000002.tmp", run);
    assert_int_equal(ds_write_file(dir, "in the way", 10, true), DS_OK);
    ds_save_result r = save(s, 2, 2);
    assert_int_not_equal(r.status, DS_OK);
    assert_true(strlen(r.message) > 10);
    assert_int_equal(ds_saved_find(run, path, &o, note), DS_OK);
    assert_int_equal(json_integer_value(json_object_get(o, "step")), 1);
    json_decref(o);
    assert_int_equal(unlink(dir), 0);
    assert_int_equal(save(s, 2, 1).status, DS_OK);
    ds_saver_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_saved),     cmocka_unit_test(keeps_the_last_and_the_best), cmocka_unit_test(passes_over_damage),
        cmocka_unit_test(sweeps_what_a_kill_left), cmocka_unit_test(a_failed_save_harms_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
