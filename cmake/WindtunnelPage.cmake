# The script of the report page: reports/page/page.js and the charts it imports (ECharts, from npm by the lock file),
# bundled by esbuild and compiled into the program.
#   WINDTUNNEL_PAGE=OFF   no; `windtunnel report` says that it is not available
#   WINDTUNNEL_PAGE=AUTO  where npm is found and can fetch the packages
#   WINDTUNNEL_PAGE=ON    yes; npm is required
# Sets windtunnel_has_page, and windtunnel_page_script: the bundle's path in the build tree.
set(windtunnel_has_page OFF)
set(windtunnel_page_script ${CMAKE_BINARY_DIR}/page/page.bundle.js)

if(NOT WINDTUNNEL_PAGE MATCHES "^(OFF|AUTO|ON)$")
    message(FATAL_ERROR "WINDTUNNEL_PAGE is '${WINDTUNNEL_PAGE}', allowed: OFF, AUTO, ON")
endif()
if(NOT WINDTUNNEL_PAGE STREQUAL OFF)
    set(page_sources ${CMAKE_SOURCE_DIR}/reports/page)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page_sources}/package-lock.json)
    find_program(WINDTUNNEL_NPM npm)
    set(page_problem "npm was not found")
    if(WINDTUNNEL_NPM)
        file(MD5 ${page_sources}/package-lock.json locked)
        set(stamp ${CMAKE_BINARY_DIR}/page/installed-${locked})
        file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/page)
        configure_file(${page_sources}/package.json ${CMAKE_BINARY_DIR}/page/package.json COPYONLY)
        configure_file(${page_sources}/package-lock.json ${CMAKE_BINARY_DIR}/page/package-lock.json COPYONLY)
        set(npm_result 0)
        if(NOT EXISTS ${stamp})
            execute_process(COMMAND ${WINDTUNNEL_NPM} ci --ignore-scripts --no-audit --no-fund --loglevel=error
                WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/page TIMEOUT 180
                RESULT_VARIABLE npm_result OUTPUT_VARIABLE npm_says ERROR_VARIABLE npm_says)
        endif()
        if(npm_result EQUAL 0)
            file(TOUCH ${stamp})
            set(windtunnel_has_page ON)
        else()
            string(STRIP "${npm_says}" npm_says)
            set(page_problem "npm could not install the page's packages (${npm_result}): ${npm_says}")
        endif()
    endif()
    if(NOT windtunnel_has_page AND WINDTUNNEL_PAGE STREQUAL ON)
        message(FATAL_ERROR "WINDTUNNEL_PAGE=ON: ${page_problem}")
    elseif(NOT windtunnel_has_page)
        message(NOTICE "Without `windtunnel report`: ${page_problem}")
    endif()
endif()

if(windtunnel_has_page)
    # Run from the folder that holds node_modules, where the page's imports are found.
    add_custom_command(
        OUTPUT ${windtunnel_page_script}
        COMMAND ${CMAKE_COMMAND} -E copy ${page_sources}/page.js ${CMAKE_BINARY_DIR}/page/page.js
        COMMAND ${WINDTUNNEL_NPM} run --silent bundle -- --outfile=${windtunnel_page_script}
        WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/page
        DEPENDS ${page_sources}/page.js ${page_sources}/package.json ${page_sources}/package-lock.json
        COMMENT "Bundling the report page's script"
        VERBATIM)
endif()
