"""SpiffWorkflow: a BPMN process of script tasks, one after the other."""

import itertools

from lxml import etree
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.specs import BpmnProcessSpec

_NAMESPACE = "http://www.omg.org/spec/BPMN/20100524/MODEL"
_PROCESS = "bench"


def build(length: int) -> BpmnProcessSpec:
    """Parse a process of `length` script tasks that do nothing."""
    tasks = "".join(f'<scriptTask id="task{number}"><script>pass</script></scriptTask>' for number in range(length))
    places = ["begin", *(f"task{number}" for number in range(length)), "end"]
    flows = "".join(
        f'<sequenceFlow id="flow{number}" sourceRef="{source}" targetRef="{target}"/>'
        for number, (source, target) in enumerate(itertools.pairwise(places))
    )
    document = (
        f'<definitions xmlns="{_NAMESPACE}" targetNamespace="bench"><process id="{_PROCESS}" isExecutable="true">'
        f'<startEvent id="begin"/>{tasks}<endEvent id="end"/>{flows}</process></definitions>'
    )
    parser = BpmnParser()
    parser.add_bpmn_xml(etree.ElementTree(etree.fromstring(document)))
    return parser.get_spec(_PROCESS)


def run(spec: BpmnProcessSpec) -> BpmnWorkflow:
    """Run it to its end, as a process that begins."""
    workflow = BpmnWorkflow(spec)
    workflow.do_engine_steps()
    return workflow
