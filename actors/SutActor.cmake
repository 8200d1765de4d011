# sut_actor(NAME [DEPS our modules…] [LIBS outside libraries…] [TEST_LIBS …]), the one line of an actor's CMakeLists.txt:
# makes the module sut_NAME from the folder's *.c (and NAME_test from its *_test.c), embeds migrations/NNNN_name.sql as
# NAME_migrations (declared in NAME_migrations.h) and mail templates (templates/*.txt, *.html) as NAME_template_*, and links main.c and proto-gen's table of the domain NAME into sut-NAME.

set(SUT_KIT_DIR ${CMAKE_CURRENT_LIST_DIR}/kit)
set(SUT_MAIL_DIR ${CMAKE_CURRENT_LIST_DIR}/mail)

function(sut_actor name)
  cmake_parse_arguments(A "" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  set(SUT_ALLOWED_${name} kit mail token schema_tables)
  file(GLOB migrations CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/migrations/*.sql)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/${name}_migrations.c)
  add_custom_command(
    OUTPUT ${embedded} ${CMAKE_CURRENT_BINARY_DIR}/${name}_migrations.h
    COMMAND ${CMAKE_COMMAND} -D NAME=${name} -D "FILES=${migrations}" -D OUT=${CMAKE_CURRENT_BINARY_DIR} -P
            ${SUT_KIT_DIR}/embed_migrations.cmake
    DEPENDS ${migrations} ${SUT_KIT_DIR}/embed_migrations.cmake
    VERBATIM)
  set(generated ${embedded})
  file(GLOB templates CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/templates/*.txt)
  if(templates)
    list(TRANSFORM templates REPLACE "\\.txt$" ".html" OUTPUT_VARIABLE pages)
    set(embedded ${CMAKE_CURRENT_BINARY_DIR}/${name}_templates.c)
    add_custom_command(
      OUTPUT ${embedded} ${CMAKE_CURRENT_BINARY_DIR}/${name}_templates.h
      COMMAND ${CMAKE_COMMAND} -D NAME=${name} -D "FILES=${templates}" -D OUT=${CMAKE_CURRENT_BINARY_DIR} -P
              ${SUT_MAIL_DIR}/embed_templates.cmake
      DEPENDS ${templates} ${pages} ${SUT_MAIL_DIR}/embed_templates.cmake
      VERBATIM)
    list(APPEND generated ${embedded})
  endif()
  sut_module(${name} DEPS kit schema_tables ${A_DEPS} LIBS ${A_LIBS} TEST_LIBS sut_${name}_service sut_test_support ${A_TEST_LIBS}
             SOURCES ${generated})
  target_include_directories(sut_${name} PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  sut_program(sut-${name} ${name} LIBS sut_${name}_service)
endfunction()
