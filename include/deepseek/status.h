/** Status codes and error text.
 *
 *  Every call that can fail at the library's boundary returns a ds_status. On failure the calling thread also
 *  keeps one sentence that says what went wrong; ds_error() returns it. The library never prints and never exits. */
#ifndef DEEPSEEK_STATUS_H
#define DEEPSEEK_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DS_API __attribute__((visibility("default")))
#define DS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define DS_MUST_USE __attribute__((warn_unused_result))
#else
#define DS_API
#define DS_PRINTF(fmt, args)
#define DS_MUST_USE
#endif

/** The number of each code is also the exit status of the `deepseek` command. */
typedef enum ds_status {
    DS_OK = 0,
    DS_E_INTERNAL = 1,    /* a broken invariant: please report it */
    DS_E_ARG = 2,         /* an argument or option makes no sense */
    DS_E_NOT_FOUND = 3,   /* no such file, model, tensor or name */
    DS_E_IO = 4,          /* reading or writing failed (includes a full disk) */
    DS_E_FORMAT = 5,      /* a file's bytes are not what its format says */
    DS_E_UNSUPPORTED = 6, /* well-formed, but not something this build handles */
    DS_E_SHAPE = 7,       /* tensor or vocabulary sizes do not fit together */
    DS_E_NOMEM = 8,       /* the system refused memory */
    DS_E_BUDGET = 9,      /* it does not fit the memory budget that was given */
    DS_E_CONTEXT = 10,    /* the text is longer than the context */
    DS_E_NUMERIC = 11,    /* NaN or infinity where a finite number is needed */
    DS_E_EXISTS = 12,     /* the output is already there */
    DS_E_CANCELLED = 130  /* stopped by the caller (128 + SIGINT, as shells expect) */
} ds_status;

/* Options. Every options struct NAME begins with its size, and NAME_init() of the header sets that size and the defaults:
 *
 *      ds_model_options o;
 *      ds_model_options_init(&o);
 *      o.threads = 4;
 *
 * New options are added at the end of a struct, so a program that was built against an older header works with a newer library
 * (what it does not know keeps its default), and the other way round (what the library does not know is ignored). Wherever a
 * call takes options, NULL means the defaults. Structs that the library fills and hands over grow only with a new SONAME. */

/** Short lower-case name of a code, for example "format". Never NULL; static storage. */
DS_API const char *ds_status_name(ds_status s);

/** The calling thread's last error sentence, "" if there was none. Valid until the thread's next failing call. */
DS_API const char *ds_error(void);

/** Library version, for example "0.1.0". Static storage. */
DS_API const char *ds_version(void);

#ifdef __cplusplus
}
#endif
#endif
