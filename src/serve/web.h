/* The web page: the files of src/serve/web, which the build puts into the library. */
#ifndef DS_SERVE_WEB_H
#define DS_SERVE_WEB_H
#include "serve/server.h"

/** One for each file, and "/" for index.html; ends with a row of zeros. */
extern const ds_route ds_web_routes[];
#endif
