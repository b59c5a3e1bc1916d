# windtunnel_folder(NAME LINKS...): one static library per folder from all its .cpp files, with the
# project's warnings, its floating-point rules and its sanitizers.
add_library(windtunnel_options INTERFACE)
target_compile_features(windtunnel_options INTERFACE cxx_std_20)
target_include_directories(windtunnel_options INTERFACE ${CMAKE_SOURCE_DIR})
# No fused multiply-add: CPU and GPU must round alike.
target_compile_options(windtunnel_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -ffp-contract=off>)
if(WINDTUNNEL_WERROR)
    target_compile_options(windtunnel_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(WINDTUNNEL_SANITIZE)
    target_compile_options(windtunnel_options INTERFACE
        $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${WINDTUNNEL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer>)
    target_link_options(windtunnel_options INTERFACE -fsanitize=${WINDTUNNEL_SANITIZE})
endif()

function(windtunnel_folder name)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    if(sources)
        add_library(windtunnel_${name} STATIC ${sources})
        target_link_libraries(windtunnel_${name} PUBLIC windtunnel_options ${ARGN})
    else()
        add_library(windtunnel_${name} INTERFACE)
        target_link_libraries(windtunnel_${name} INTERFACE windtunnel_options ${ARGN})
    endif()
endfunction()
