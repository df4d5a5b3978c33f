"""What QGIS says of a running server: run by QGIS's own Python, not by that of the tests.

    /usr/bin/python3 in_qgis.py questions.json answers.jsonl

Each question is `{"step": name of a function below, ...its arguments}`; each answer a line of JSON, written at once, so
that those before a crash are kept.
"""

import json
import os
import sys
import traceback

from qgis.core import (
    QgsApplication,
    QgsAuthMethodConfig,
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def features(uri, rectangle=None, subset=None):
    """A layer of OGC API Features, and its features within a rectangle."""
    layer = QgsVectorLayer(uri, "features", "OAPIF")
    if not layer.isValid():
        return {"valid": False}
    if subset is not None:
        layer.setSubsetString(subset)
    request = QgsFeatureRequest()
    if rectangle is not None:
        request.setFilterRect(QgsRectangle(*rectangle))
    found = [
        {
            "name": one["name"],
            "constellation": one["constellation"],
            "datetime": one["datetime"].toString("yyyy-MM-ddTHH:mm:ss"),
            "geometry": one.geometry().asWkt(9),
        }
        for one in layer.getFeatures(request)
    ]
    return {
        "valid": True,
        "crs": layer.crs().authid(),
        "fields": {field.name(): field.typeName() for field in layer.fields()},
        "features": found,
        "count": layer.featureCount(),  # the provider counts what it has downloaded
    }


def picture(uri, crs, extent, size, target):
    """A layer of tiles, drawn into a PNG."""
    layer = QgsRasterLayer(uri, "tiles", "wms")
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(QgsCoordinateReferenceSystem(crs))
    settings.setExtent(QgsRectangle(*extent))
    settings.setOutputSize(QSize(*size))
    settings.setBackgroundColor(QColor(0, 0, 0, 0))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    return {"valid": layer.isValid(), "crs": layer.crs().authid(), "saved": job.renderedImage().save(target)}


def raster(uri):
    """A raster layer, and the values of its bands in a pixel near its centre, south-east of it; None where masked."""
    layer = QgsRasterLayer(uri, "raster", "gdal")
    if not layer.isValid():
        return {"valid": False, "layers": [one.split("!!::!!")[0] for one in layer.subLayers()]}
    extent = layer.extent()
    place = extent.center()
    place.setX(place.x() + extent.width() / layer.width() / 2)
    place.setY(place.y() - extent.height() / layer.height() / 2)
    bands = range(1, layer.bandCount() + 1)
    samples = [layer.dataProvider().sample(place, band) for band in bands]
    return {
        "valid": True,
        "crs": layer.crs().authid(),
        "size": [layer.width(), layer.height()],
        "extent": [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()],
        "bands": [layer.bandName(band) for band in bands],
        "values": [value if valid else None for value, valid in samples],
    }


def layers_of(path):
    """What QGIS offers of a file that is dropped on the map: names and addresses of raster layers."""
    found = QgsProviderRegistry.instance().querySublayers(path)
    return {one.name(): one.uri() for one in found if one.providerKey() == "gdal"}


def basic_auth(name, password):
    """Store a configuration "Basic authentication" with any user name; layers name it by its id of 7 characters."""
    manager = QgsApplication.authManager()
    manager.setMasterPassword("of this test only", True)
    config = QgsAuthMethodConfig("Basic")
    config.setId(name)
    config.setName(name)
    config.setConfig("username", "anyone")
    config.setConfig("password", password)
    return {"stored": manager.storeAuthenticationConfig(config)[0]}


STEPS = {one.__name__: one for one in (features, picture, raster, layers_of, basic_auth)}


def main(questions, answers):
    with open(questions) as file:
        asked = json.load(file)
    application = QgsApplication([], False)
    application.initQgis()
    with open(answers, "w") as file:
        for question in asked:
            step = question.pop("step")
            try:
                told = STEPS[step](**question)
            except Exception:
                told = {"error": traceback.format_exc()}
            print(json.dumps(told), file=file, flush=True)
    os._exit(0)  # QGIS 3.22 crashes while Python takes its objects apart


main(*sys.argv[1:])
