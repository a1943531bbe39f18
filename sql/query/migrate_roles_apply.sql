SELECT database_roles_apply()
