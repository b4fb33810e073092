# diptych_script_test(NAME include_rules_test COMMAND file.py [arguments...] [ENVIRONMENT A=b] [LABELS slow] [TIMEOUT s])
#
# A ctest that is a program: Python files run under Debian's own interpreter, whose packages
# deploy/install-dependencies.sh installs (a python3 found earlier in PATH need not have them); anything else runs as it
# is. Exit status 77 means "skipped", and the program says why. Not registered in sanitizer builds, which would run the
# same program again.

find_program(DIPTYCH_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(DIPTYCH_PYTHON python3)

function(diptych_script_test)
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT" "COMMAND;ENVIRONMENT;LABELS" ${ARGN})
  if(NOT DIPTYCH_TESTS OR DIPTYCH_SANITIZE)
    return()
  endif()
  list(POP_FRONT ARG_COMMAND program)
  get_filename_component(program "${program}" ABSOLUTE)
  if(program MATCHES "\\.py$")
    # -B: no __pycache__ beside the sources.
    set(program "${DIPTYCH_PYTHON}" -B "${program}")
  endif()
  add_test(NAME ${ARG_NAME} COMMAND ${program} ${ARG_COMMAND})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${ARG_NAME} PROPERTIES
    SKIP_RETURN_CODE 77
    TIMEOUT ${ARG_TIMEOUT}
    LABELS "${ARG_LABELS}"
    ENVIRONMENT
      "DIPTYCH_SOURCE_DIR=${PROJECT_SOURCE_DIR};DIPTYCH_BINARY_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};DIPTYCH_BUILD_DIR=${PROJECT_BINARY_DIR};${ARG_ENVIRONMENT}")
endfunction()
