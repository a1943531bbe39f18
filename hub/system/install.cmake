# Run by cmake --install and by cpack: what stands outside of the prefix, or names it.
# Needs GRIDHUB_SOURCE, GRIDHUB_BINARY, GRIDHUB_MAN.
set(BIN "${CMAKE_INSTALL_PREFIX}/bin")
set(SYSTEM "${GRIDHUB_SOURCE}/hub/system")
configure_file("${SYSTEM}/gridhub.service.in" "${GRIDHUB_BINARY}/gridhub.service" @ONLY)

function(put folder mode name file)
  file(INSTALL DESTINATION "${folder}" TYPE FILE RENAME "${name}" FILES "${file}" PERMISSIONS ${mode})
endfunction()
set(PUBLIC OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)

put("${CMAKE_INSTALL_PREFIX}/lib/systemd/system" "${PUBLIC}" gridhub.service "${GRIDHUB_BINARY}/gridhub.service")
put("${CMAKE_INSTALL_PREFIX}/lib/sysusers.d" "${PUBLIC}" gridhub.conf "${SYSTEM}/sysusers.conf")
put("${CMAKE_INSTALL_PREFIX}/lib/tmpfiles.d" "${PUBLIC}" gridhub.conf "${SYSTEM}/tmpfiles.conf")

# Configuration belongs to the people who changed it: what differs is left as it is, and ours is put beside it (.new;
# dpkg does the same with conffiles).
function(keep folder file)
  get_filename_component(name "${file}" NAME)
  set(there "$ENV{DESTDIR}${folder}/${name}")
  if(EXISTS "${there}")
    file(SHA256 "${there}" have)
    file(SHA256 "${file}" want)
    if(have STREQUAL want)
      return()
    endif()
    message(STATUS "Kept: ${there} (this version's is ${name}.new)")
    set(name "${name}.new")
  endif()
  put("${folder}" "${PUBLIC}" "${name}" "${file}")
endfunction()

keep(/etc/gridhub "${SYSTEM}/gridhub.yaml")
file(GLOB packs "${GRIDHUB_SOURCE}/rules/*.yaml")
foreach(pack ${packs})
  keep(/etc/gridhub/rules "${pack}")
endforeach()
