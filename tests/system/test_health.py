"""gridhub health: the health check of the image, which has no curl."""

import json


def test_health_says_what_the_hub_says(make_hub, own_postgres, make_database):
    hub = make_hub(db=make_database(own_postgres), broker=False)
    done = hub.cmd("health")
    assert json.loads(done.out)["status"] == "ok"
    own_postgres.stop()
    hub.wait_part("store", "degraded") if "store" in hub.health()["parts"] else hub.wait_part("database", "degraded")
    done = hub.cmd("health", check=False)
    assert done.returncode == 1 and json.loads(done.out)["status"] == "degraded" and "the hub is degraded" in done.err
    hub.kill()
    done = hub.cmd("health", check=False)
    assert done.returncode == 1 and "no hub answers" in done.err and done.out == ""


def test_health_asks_here_a_hub_that_listens_everywhere(make_hub):
    hub = make_hub(broker=False, start=False)
    hub.conf["http"]["listen"] = f"0.0.0.0:{hub.http_port}"
    hub.write_conf()
    hub.start()
    assert json.loads(hub.cmd("health").out)["status"] == "ok"
    hub.conf["http"]["listen"] = ""
    hub.write_conf()
    assert hub.cmd("health", check=False).returncode == 1
