# What cmake --install puts where, and the .deb (cpack -G DEB).
#
# Rules are conffiles in /etc/gridhub/rules, the folder that is read: ops change limits, schedules and holidays in them,
# and dpkg neither overwrites what was changed nor brings back what was removed; files that nobody touched are upgraded.
# The other way, packs under /usr/share with overrides beside them, would need a second kind of merge to explain.
include(GNUInstallDirs)
install(TARGETS gridhub RUNTIME DESTINATION bin)
install(FILES README.md README.zh.md DESTINATION share/doc/gridhub)
install(FILES LICENSE DESTINATION share/doc/gridhub RENAME copyright)
foreach(page hub hub/system sql rules adapters/device adapters/webhook)
  string(REPLACE "/" "-" name ${page})
  install(FILES ${page}/README.md DESTINATION share/doc/gridhub RENAME ${name}.md)
endforeach()

# Who answers for the package: whoever builds it, for the machines of their own.
set(GRIDHUB_MAINTAINER "root <root@localhost>" CACHE STRING "Maintainer of the .deb: Name <address>")
configure_file(hub/system/changelog.in deb/changelog @ONLY)
find_program(GZIP gzip REQUIRED)
execute_process(COMMAND ${GZIP} -9nf ${CMAKE_BINARY_DIR}/deb/changelog COMMAND_ERROR_IS_FATAL ANY)
install(FILES ${CMAKE_BINARY_DIR}/deb/changelog.gz DESTINATION share/doc/gridhub RENAME changelog.Debian.gz)

# Man pages come from the binary, whose tables they print.
if(NOT GRIDHUB_SANITIZE)
  foreach(page gridhub.1 gridhub.yaml.5)
    string(REGEX REPLACE "\\.[0-9]$" "" name ${page})
    add_custom_command(OUTPUT ${page}.gz DEPENDS gridhub VERBATIM
      COMMAND sh -c "\"$1\" man ${name} >${page}.tmp && gzip -9nc ${page}.tmp >${page}.gz" sh $<TARGET_FILE:gridhub>)
    list(APPEND PAGES ${CMAKE_BINARY_DIR}/${page}.gz)
    string(REGEX MATCH "[0-9]$" section ${page})
    install(FILES ${CMAKE_BINARY_DIR}/${page}.gz DESTINATION share/man/man${section})
  endforeach()
  add_custom_target(man ALL DEPENDS ${PAGES})
endif()

install(CODE "set(GRIDHUB_SOURCE \"${CMAKE_SOURCE_DIR}\")\nset(GRIDHUB_BINARY \"${CMAKE_BINARY_DIR}\")")
install(SCRIPT hub/system/install.cmake)

# ---- the .deb ----
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME gridhub)
set(CPACK_PACKAGE_VENDOR gridhub)
set(CPACK_PACKAGE_CONTACT "${GRIDHUB_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "hub for governing a city by grid")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Takes what cameras, sensors and bins send over MQTT, opens cases by rules,\n and alerts the leaders of grids by signed webhooks.")
set(CPACK_SET_DESTDIR ON) # for /etc
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "tzdata, ca-certificates, systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql (>= 15), postgresql-client, mosquitto")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
file(GLOB PACKS RELATIVE ${CMAKE_SOURCE_DIR}/rules CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/rules/*.yaml)
set(CONFFILES "/etc/gridhub/gridhub.yaml\n")
foreach(pack ${PACKS})
  string(APPEND CONFFILES "/etc/gridhub/rules/${pack}\n")
endforeach()
file(WRITE ${CMAKE_BINARY_DIR}/deb/conffiles "${CONFFILES}")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_BINARY_DIR}/deb/conffiles)
foreach(script postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/hub/system/${script})
endforeach()
include(CPack)
