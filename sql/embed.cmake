# Turns sql/schema/*.sql and sql/query/*.sql into C: sql.h (enum sql_id) and sql.c (texts, names, checksums).
# cmake -DIN=<sql folder> -DOUT=<folder> -P embed.cmake
file(GLOB queries ${IN}/query/*.sql)
file(GLOB migrations ${IN}/schema/*.sql)
list(SORT queries)
list(SORT migrations)

function(c_string path var)
  file(READ ${path} text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n\t\"" text "${text}")
  set(${var} "\"${text}\"" PARENT_SCOPE)
endfunction()

set(enum "")
set(table "")
foreach(path ${queries})
  get_filename_component(name ${path} NAME_WE)
  string(TOUPPER ${name} upper)
  c_string(${path} text)
  string(APPEND enum "\tSQL_${upper},\n")
  string(APPEND table "\t[SQL_${upper}] = {\"${name}\", ${text}},\n")
endforeach()

set(steps "")
set(last 0)
foreach(path ${migrations})
  get_filename_component(name ${path} NAME_WE)
  string(REGEX MATCH "^[0-9]+" number ${name})
  string(REGEX REPLACE "^0+" "" number ${number})
  math(EXPR next "${last} + 1")
  if(NOT number EQUAL next)
    message(FATAL_ERROR "sql/schema/${name}.sql: migrations are numbered one by one: ${next} was expected")
  endif()
  set(last ${number})
  file(SHA256 ${path} sum)
  c_string(${path} text)
  string(APPEND steps "\t{${number}, \"${name}\", \"${sum}\", ${text}},\n")
endforeach()

file(WRITE ${OUT}/sql.h.new "/* Generated from sql/ by sql/embed.cmake. */
#ifndef GRIDHUB_SQL_H
#define GRIDHUB_SQL_H

#include <stddef.h>

enum sql_id {
${enum}\tSQL_COUNT
};

struct sql_query {
	const char *name, *text;
};
extern const struct sql_query sql_queries[SQL_COUNT];

struct sql_migration {
	int version;
	const char *name, *sha256, *text;
};
extern const struct sql_migration sql_migrations[];
extern const size_t sql_migrations_count;

#endif
")
file(WRITE ${OUT}/sql.c.new "/* Generated from sql/ by sql/embed.cmake. */
#include \"sql.h\"

const struct sql_query sql_queries[SQL_COUNT] = {
${table}};

const struct sql_migration sql_migrations[] = {
${steps}};
const size_t sql_migrations_count = sizeof sql_migrations / sizeof sql_migrations[0];
")
foreach(f sql.h sql.c)
  execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}/${f}.new ${OUT}/${f})
endforeach()
