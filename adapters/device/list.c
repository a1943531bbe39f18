#include "list.h"

const struct device_adapter *const device_adapters[] = {
#define DEVICE_ADAPTER(name_) &device_adapter_##name_,
#include "list.def"
#undef DEVICE_ADAPTER
	NULL,
};

const struct device_adapter *device_adapter_find(struct slice name)
{
	for (size_t i = 0; device_adapters[i]; i++)
		if (slice_is(name, device_adapters[i]->name))
			return device_adapters[i];
	return NULL;
}
