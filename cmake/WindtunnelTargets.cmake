# windtunnel_folder(NAME LINKS... [ROOMS FOLDER...]): one static library per folder from all its .cpp files and those of
# its rooms, with the project's warnings, its floating-point rules and its sanitizers.
add_library(windtunnel_options INTERFACE)
target_include_directories(windtunnel_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
# No fused multiply-add: CPU and GPU must round alike.
target_compile_options(windtunnel_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -ffp-contract=off>)
# A target that says so is spared: tests compiled together, where a local name shadows another test's helper.
target_compile_options(windtunnel_options INTERFACE
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<BOOL:$<TARGET_PROPERTY:WINDTUNNEL_SHADOWS>>>>:-Wshadow>)
# g++ 12 at -O3 takes the strings inside a std::variant or std::optional for uninitialized, those of a
# concatenation for overlapping and fmt's buffers for too small; the sanitized tree looks for the real ones.
target_compile_options(windtunnel_options INTERFACE
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow>)
if(WINDTUNNEL_WERROR)
    target_compile_options(windtunnel_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(WINDTUNNEL_SANITIZE)
    target_compile_options(windtunnel_options INTERFACE
        $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${WINDTUNNEL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer>)
    target_link_options(windtunnel_options INTERFACE -fsanitize=${WINDTUNNEL_SANITIZE})
endif()
if(WINDTUNNEL_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
        message(FATAL_ERROR "WINDTUNNEL_FUZZ needs clang++, found ${CMAKE_CXX_COMPILER}")
    endif()
    # What reads files tells libFuzzer which branches it took; only the fuzz programs link libFuzzer's main.
    set(windtunnel_tells_branches -fsanitize=fuzzer-no-link)
endif()

# The one place of the version is project(); code includes "models/version.hpp".
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/models/version.hpp @ONLY CONTENT
"#pragma once
namespace windtunnel {
inline constexpr const char* version = \"@PROJECT_VERSION@\";
}
")

# A folder's main.cpp and *_main.cpp are programs, not part of its library.
function(windtunnel_folder name)
    cmake_parse_arguments(arg "" "" "ROOMS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    foreach(room IN LISTS arg_ROOMS)
        file(GLOB more CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${room}/*.cpp)
        list(APPEND sources ${more})
    endforeach()
    list(FILTER sources EXCLUDE REGEX "[/_]main\\.cpp$")
    if(sources)
        add_library(windtunnel_${name} STATIC ${sources})
        target_link_libraries(windtunnel_${name} PUBLIC windtunnel_options ${arg_UNPARSED_ARGUMENTS})
    else()
        add_library(windtunnel_${name} INTERFACE)
        target_link_libraries(windtunnel_${name} INTERFACE windtunnel_options ${arg_UNPARSED_ARGUMENTS})
    endif()
endfunction()

set(windtunnel_little_optimisation $<$<CONFIG:Release>:-O1>)
if(WINDTUNNEL_SANITIZE)
    set(windtunnel_little_optimisation -O0)
endif()

# windtunnel_reads_and_prints(TARGET [FAST FILE_PATTERN...]): a folder that reads files, checks them and prints spends
# its time in libraries. It is compiled with little optimisation and several files at a time, which takes half off the
# build; the files that match a pattern work over whole traces or all trials and are compiled as the engine is, each
# by itself.
function(windtunnel_reads_and_prints target)
    cmake_parse_arguments(arg "" "" "FAST" ${ARGN})
    target_compile_options(${target} PRIVATE ${windtunnel_little_optimisation})
    windtunnel_several_at_a_time(${target})
    string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
    separate_arguments(full_optimisation UNIX_COMMAND "${CMAKE_CXX_FLAGS_${build_type}}")
    get_target_property(sources ${target} SOURCES)
    foreach(source IN LISTS sources)
        get_filename_component(stem ${source} NAME_WE)
        foreach(pattern IN LISTS arg_FAST)
            if(stem MATCHES "^(${pattern})$")
                set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS ${full_optimisation})
            endif()
        endforeach()
    endforeach()
endfunction()

# windtunnel_several_at_a_time(TARGET): one run of the compiler takes eight files, whose headers it reads once. The dev
# preset leaves it out: there a change compiles one file again, and a file that lacks an include of its own is found.
function(windtunnel_several_at_a_time target)
    if(WINDTUNNEL_SEVERAL_AT_A_TIME)
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
        # A class of a .cpp that holds one of its unnamed namespace would be wrong in a header, which it is not.
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
    endif()
endfunction()

# windtunnel_programs(LINKS...): main.cpp becomes the program windtunnel, NAME_main.cpp windtunnel_NAME.
function(windtunnel_programs)
    file(GLOB mains CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*_main.cpp)
    foreach(main IN LISTS mains)
        get_filename_component(stem ${main} NAME_WE)
        string(REGEX REPLACE "_?main$" "" suffix ${stem})
        set(program windtunnel)
        if(suffix)
            set(program windtunnel_${suffix})
        endif()
        add_executable(${program} ${main})
        target_link_libraries(${program} PRIVATE ${ARGN})
        set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
        install(TARGETS ${program})
    endforeach()
endfunction()
