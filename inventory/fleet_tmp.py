from groundcrew.lab import inventory as _lab

_more = {
    "fleet-lb": {},
    "fleet-web1": {"apps": ["hello"]},
    "fleet-web2": {"apps": ["hello"]},
}
_tls = {"certificate": {"type": "self-signed"}}
for _group, _hosts in _lab.running().items():
    globals()[_group] = [
        (_name, {**_data, **_more[_name]}) for _name, _data in _hosts if _name in _more
    ]
