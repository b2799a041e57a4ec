"""GET /models: models loaded by live workers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.contract import examples
from service.contract.errors import ErrorCode
from service.contract.workers import ModelInfo
from service.stores.job_store import presence

router = APIRouter(tags=["models"])


class ModelView(ModelInfo):
    """A model and its number of workers."""

    workers: int = Field(ge=1, description="Workers that have loaded this model.")


class ModelList(BaseModel):
    """The models that are currently loaded."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"models": [examples.MODEL | {"workers": 2}]}}
    )

    models: list[ModelView]


@router.get("/models", summary="List models", responses=problem_responses(ErrorCode.UNAVAILABLE))
async def list_models(caller: CallerDep, gateway: GatewayDep) -> ModelList:
    """List the models: preset, what it is for, its licences, defaults, weights and versions."""
    loaded = [worker.model for worker in await gateway.jobs.run(presence.workers()) if worker.model]
    distinct = list({model.model_dump_json(): model for model in loaded}.values())
    return ModelList(
        models=[ModelView(**model.model_dump(), workers=loaded.count(model)) for model in distinct]
    )
