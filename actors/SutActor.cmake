# sut_actor(NAME [LIBS outside libraries…] [TEST_LIBS …]), the one line of an actor's CMakeLists.txt: makes the module
# sut_NAME from the folder's *.c (and NAME_test from its *_test.c), compiles proto-gen's thunks for the domain NAME,
# embeds migrations/NNNN_name.sql as NAME_migrations (declared in NAME_migrations.h), and links main.c into sut-NAME.

set(SUT_KIT_DIR ${CMAKE_CURRENT_LIST_DIR}/kit)

function(sut_actor name)
  cmake_parse_arguments(A "" "" "LIBS;TEST_LIBS" ${ARGN})
  set(SUT_ALLOWED_${name} kit schema_tables)
  file(GLOB migrations CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/migrations/*.sql)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/${name}_migrations.c)
  add_custom_command(
    OUTPUT ${embedded} ${CMAKE_CURRENT_BINARY_DIR}/${name}_migrations.h
    COMMAND ${CMAKE_COMMAND} -D NAME=${name} -D "FILES=${migrations}" -D OUT=${CMAKE_CURRENT_BINARY_DIR} -P
            ${SUT_KIT_DIR}/embed_migrations.cmake
    DEPENDS ${migrations} ${SUT_KIT_DIR}/embed_migrations.cmake
    VERBATIM)
  set_source_files_properties(${SUT_GEN_DIR}/${name}_service.c PROPERTIES GENERATED ON)
  sut_module(${name} DEPS kit schema_tables LIBS ${A_LIBS} TEST_LIBS ${A_TEST_LIBS} SOURCES ${embedded}
             ${SUT_GEN_DIR}/${name}_service.c)
  target_include_directories(sut_${name} PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
  add_dependencies(sut_${name} sut_schema_tables)
  sut_program(sut-${name} ${name})
endfunction()
