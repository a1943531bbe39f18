/* list: declares the one const struct that each adapter exports (list.def is the table). */
#ifndef GRIDHUB_DEVICE_LIST_H
#define GRIDHUB_DEVICE_LIST_H

#include "adapter.h"

#define DEVICE_ADAPTER(name_) extern const struct device_adapter device_adapter_##name_;
#include "list.def"
#undef DEVICE_ADAPTER

#endif
