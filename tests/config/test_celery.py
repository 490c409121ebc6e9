"""Sending tasks: to our broker from any thread, and never waiting for one that is down."""

import threading
import time

import pytest
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from config.celery import app
from tasks.worker import enqueue_scheduled, work


def test_tasks_sent_from_any_thread_go_to_our_broker():
    names = []
    thread = threading.Thread(target=lambda: names.append(current_app.main))
    thread.start()
    thread.join()
    assert names == ["stepline"]


def test_a_message_is_a_hint():
    assert app.conf.task_ignore_result
    assert work.ignore_result
    assert enqueue_scheduled.ignore_result
    assert not app.conf.task_acks_late
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_default_queue == settings.STEPLINE_QUEUES[0]


@pytest.mark.parametrize(
    "url", ["redis+socket:///no/such/valkey.sock", "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"]
)
def test_a_broker_that_is_down_is_an_error_within_a_second(url):
    started = time.monotonic()
    with pytest.raises(OperationalError), app.connection_for_write(url) as connection:
        app.send_task("nobody.listens", connection=connection)
    assert time.monotonic() - started < 1.0


def test_a_sent_task_arrives(broker):
    app.send_task("nobody.listens", queue="arrivals")
    with app.connection_for_read() as connection, connection.SimpleQueue("arrivals") as queue:
        message = queue.get(timeout=5)
        message.ack()
    assert message.headers["task"] == "nobody.listens"
